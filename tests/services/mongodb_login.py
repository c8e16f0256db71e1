"""The server's side of a SCRAM-SHA-256 login (RFC 7677), as MongoDB speaks it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import Any

_ROUNDS = 4096


class Login:
    """The login of one connection. It is done when the client has proved that it knows the password."""

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._salt = os.urandom(16)
        self._salted = hashlib.pbkdf2_hmac("sha256", password.encode(), self._salt, _ROUNDS)
        self._first = self._challenge = ""
        self.is_done = False

    def answer(self, name: str, command: dict[str, Any]) -> dict[str, Any] | None:
        """The reply to saslStart or saslContinue; None refuses the login."""
        text = bytes(command["payload"]).decode()
        if name == "saslStart":
            if command["mechanism"] != "SCRAM-SHA-256":
                return None
            return self._reply(self._start(text), is_done=False)
        if not text:
            return self._reply("", is_done=True)
        signature = self._proved(text)
        return None if signature is None else self._reply(f"v={_text(signature)}", is_done=False)

    def _start(self, text: str) -> str:
        self._first = text.split(",", 2)[2]
        nonce = dict(part.split("=", 1) for part in self._first.split(","))["r"] + _text(os.urandom(18))
        self._challenge = f"r={nonce},s={_text(self._salt)},i={_ROUNDS}"
        return self._challenge

    def _proved(self, text: str) -> bytes | None:
        without_proof, proof = text.rsplit(",p=", 1)
        agreed = f"{self._first},{self._challenge},{without_proof}".encode()
        client_key = _mac(self._salted, b"Client Key")
        signature = _mac(hashlib.sha256(client_key).digest(), agreed)
        expected = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        is_user = f"n={self._username}," in f"{self._first},"
        if not is_user or not hmac.compare_digest(expected, base64.b64decode(proof)):
            return None
        self.is_done = True
        return _mac(_mac(self._salted, b"Server Key"), agreed)

    @staticmethod
    def _reply(text: str, *, is_done: bool) -> dict[str, Any]:
        return {"conversationId": 1, "done": is_done, "payload": text.encode(), "ok": 1.0}


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
