"""The last filter before a text reaches a log, an error row or a mail: secrets become asterisks.

Secrets have their own type and should never get here; this is for the words of drivers and servers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from typing import Any

_MASK = "********"
_WORDS = (
    r"pass(?:word|wd|phrase)?|pwd|secret|secret[_-]?key|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
    r"|authorization|signature|sig|client[_-]?secret|account[_-]?key|sas|session[_-]?token|refresh[_-]?token"
)
_SECRET_KEY = re.compile(rf"(?:^|[_\-.\s])(?:{_WORDS})$", re.IGNORECASE)
_Replacement = str | Callable[[re.Match[str]], str]

_RULES: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), _MASK),
    # scheme://user:password@host: the password may hold any of :/?#@, so the last @ before a space or quote ends it.
    (re.compile(r"(\b[a-z][a-z0-9+.\-]*://[^\s:/@'\"]*):([^\s'\"]*)@(?=[^\s@'\"/]*)", re.IGNORECASE), rf"\1:{_MASK}@"),
    (re.compile(r"\brh_[A-Za-z0-9]+_[A-Za-z0-9_]{8,}"), _MASK),
    (re.compile(r"\brhs_[A-Za-z0-9_\-=.]{16,}"), _MASK),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=_\-]{8,}"), _MASK),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), _MASK),
    (re.compile(r"\bey[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*"), _MASK),
    (
        re.compile(r"\b(Bearer|Basic|Digest|Negotiate|NTLM|Token)\s+[A-Za-z0-9+/=._~\-]{6,}", re.IGNORECASE),
        rf"\1 {_MASK}",
    ),
    (re.compile(r"\b(AUTH\s+(?:PLAIN|LOGIN|XOAUTH2|CRAM-MD5))\s+\S+", re.IGNORECASE), rf"\1 {_MASK}"),
    (
        re.compile(
            rf"(?P<key>[\"']?\b[\w\-]*?(?:{_WORDS})[\"']?\s*(?:=>|[=:])\s*)"
            r"(?P<value>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\{[^}]*\}|[^\s,;&\"'}\])]+)",
            re.IGNORECASE,
        ),
        lambda match: f"{match['key']}{_MASK}",
    ),
    (re.compile(r"(\bIDENTIFIED\s+BY\s+)('[^']*'|\"[^\"]*\"|\S+)", re.IGNORECASE), rf"\1{_MASK}"),
    (re.compile(r"(\s(?:-p|--password[= ]))(\S+)"), rf"\1{_MASK}"),
)


def redact(text: str) -> str:
    """The text with everything that looks like a secret masked; host, user and database stay."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def redact_processor(_logger: Any, _name: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: masks values of keys that name a secret, and secrets inside all other texts."""
    return {key: _redacted(key, value) for key, value in event_dict.items()}


def _redacted(key: Any, value: Any) -> Any:
    if isinstance(key, str) and _SECRET_KEY.search(key):
        return _MASK
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {inner: _redacted(inner, item) for inner, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(None, item) for item in value]
    return value
