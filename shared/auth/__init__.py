"""Who is asking: API keys of people and machines, and the identity of our own services."""

from shared.auth.authenticator import Authenticator, Principal
from shared.auth.keys import hash_key, make_key
from shared.auth.service import ServiceIdentity

__all__ = ["Authenticator", "Principal", "ServiceIdentity", "hash_key", "make_key"]
