"""Secrets in configurations may be references to secrets kept elsewhere; their form can only be checked once opened."""

from __future__ import annotations

from pydantic import SecretStr


def is_reference(secret: SecretStr) -> bool:
    return secret.get_secret_value().startswith(("env:", "file:"))
