"""The last filter before a text reaches a log, an error row or a mail: secrets become asterisks.

Secrets have their own type and should never get here; this is for the words of drivers and servers. Every rule takes
time in proportion to the text: names and addresses start where a word starts, and what repeats is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from typing import Any

_MASK = "********"

# Short words only stand for a secret when they are a word (`DB_PASS`, `userPass`), so that `compass` does not.
_SHORT = r"(?:(?<![A-Za-z])|(?-i:(?<=[a-z])(?=[A-Z])))(?:pass|pwd|sig|sas)"
_LONG = (
    r"passwords?|passwd|passphrase|pwd|secret[_-]?key|secrets?|token|credentials?|signature|authorization|cookie"
    r"|(?:api|access|private|account|signing|signature|encryption|master|shared|hmac)[_-]?key"
)
_WORD = rf"(?:{_LONG}|{_SHORT})"
_SECRET_KEY = re.compile(rf"{_WORD}(?:[_-](?:hash|value|text))?$", re.IGNORECASE)

_NEXT_KEY = (
    r"(?:[,&]\s{0,20}\\{0,3}[\"']?[\w.\-%]{1,40}\\{0,3}[\"']?\s{0,20}(?:=>|[=:])"
    r"|;\s{0,20}[\w.\-]{1,40}(?: [\w.\-]{1,40}){0,3}\s{0,20}=)"  # ODBC: `;User ID=`
)
_VALUE = (
    r"\"(?:[^\"\\]|\\.|\"\")*\""
    r"|'(?:[^'\\]|\\.|'')*'"
    r"|(?P<escaped>\\{1,7}[\"'])(?:(?!(?P=escaped)).){0,1024}(?P=escaped)"
    r"|\{(?:[^}]|\}\}){0,1024}\}"
    r"|[\"'][^\n]*"  # the text was cut before its closing quote
    # A bare value ends at a space or before the next `name=`; punctuation around it stays.
    rf"|(?:(?!{_NEXT_KEY})\S)+(?<![)\]}}'\",;])"
    rf"|(?:(?!{_NEXT_KEY})\S)+"
)
# What follows a secret's name in sentences of MySQL and of our own validation.
_NO_VALUE = r"(?!(?:YES|NO)\)|(?:Field required|Input should|Extra inputs)\b)"
_AUTH_PARAMETER = r"(?:[\w\-]+=\"[^\"\n]*\"|[^\s\"',;]+)"  # Digest, OAuth and AWS list several
_SCHEME = r"Bearer|Basic|Digest|Negotiate|NTLM|Token"
# Something that is no dictionary word: a digit, a sign, a capital inside, or very long.
_NO_DICTIONARY_WORD = r"(?=[\w+/=.~\-]{0,400}?(?:[0-9_+/=~]|(?-i:[a-z][A-Z]))|[A-Za-z]{16,})"
_SCHEME_WORDS = r"(?!(?:tokens?|auth\w*|schemes?|headers?|certificates?|credentials?)\b)"

_Replacement = str | Callable[[re.Match[str]], str]


def _address(match: re.Match[str]) -> str:
    """scheme://user:password@host: the password may hold any of :/?#@, so the last @ of the word ends it."""
    secret, at, host = match["rest"].rpartition("@")
    user, colon, _password = secret.partition(":")
    if not at or not colon:
        return match[0]
    return f"{match['scheme']}{user}:{_MASK}@{host}"


def _named(match: re.Match[str]) -> str:
    """Quotes stay, so that JSON stays JSON."""
    quote = re.match(r"\\*[\"']", match["value"])
    mark = quote[0] if quote else ""
    return f"{match['key']}{mark}{_MASK}{mark}"


_RULES: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}KEY-----|\Z)", re.S), _MASK),
    (re.compile(r"(?<![a-z0-9+.\-])(?P<scheme>[a-z][a-z0-9+.\-]{0,40}://)(?P<rest>[^\s'\"<>]+)", re.I), _address),
    # Addresses that are secrets themselves.
    (re.compile(r"(//hooks\.slack\.com/[a-z]+/)[^\s'\"<>]+", re.I), rf"\1{_MASK}"),
    (re.compile(r"(/api/webhooks/[0-9]+/)[^\s'\"<>/?]+", re.I), rf"\1{_MASK}"),
    (re.compile(r"(\.webhook\.office\.com/webhookb2/)[^\s'\"<>]+", re.I), rf"\1{_MASK}"),
    (re.compile(r"(/bot[0-9]{5,15}:)[\w\-]{20,}"), rf"\1{_MASK}"),
    # Keys that say what they are: ours, and those of well-known services.
    (re.compile(r"(?<![A-Za-z0-9_])rh_[A-Za-z0-9]+_[A-Za-z0-9_]{8,}"), _MASK),
    (re.compile(r"(?<![A-Za-z0-9_])rhs_[A-Za-z0-9_\-=.]{16,}"), _MASK),
    (re.compile(r"(?<![A-Za-z0-9_])whsec_[A-Za-z0-9+/=_\-]{8,}"), _MASK),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), _MASK),
    (re.compile(r"\bAIza[A-Za-z0-9_\-]{30,}"), _MASK),
    (re.compile(r"\b(?:gh[opsur]|github_pat|glpat|xox[abeprs]|npm|[sr]k_(?:live|test))[_\-][\w\-]{10,}"), _MASK),
    (re.compile(r"(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*"), _MASK),
    # Headers and protocols.
    (
        re.compile(
            r"(authorization[\"']?[^\S\n]{0,20}[=:][^\S\n]{0,20})(?![\"'])(?:[A-Za-z][\w\-]*[^\S\n]{1,20})?"
            rf"{_AUTH_PARAMETER}(?:,\s{{0,20}}{_AUTH_PARAMETER})*",
            re.IGNORECASE,
        ),
        rf"\1{_MASK}",
    ),
    (re.compile(r"(\b(?:set-)?cookie:[^\S\n]{0,20})[^\n\"']+", re.I), rf"\1{_MASK}"),
    (re.compile(rf"\b({_SCHEME})[^\S\n]+{_SCHEME_WORDS}{_NO_DICTIONARY_WORD}[\w+/=.~\-]{{6,}}", re.I), rf"\1 {_MASK}"),
    (re.compile(r"\b(Bearer[^\S\n]+)(?!\w+ing\b)" + _SCHEME_WORDS + r"[\w+/=.~\-]{6,}"), rf"\1{_MASK}"),
    (re.compile(rf"\b(AUTH\s+(?:PLAIN|LOGIN|XOAUTH2|CRAM-MD5))\s+{_NO_DICTIONARY_WORD}\S+", re.I), rf"\1 {_MASK}"),
    # name=value, name: value, "name": "value", <name>value<
    (
        re.compile(
            rf"(?P<key>{_WORD}\\{{0,7}}[\"']?[^\S\n]{{0,20}}(?:=>|[=:])[^\S\n]{{0,20}}){_NO_VALUE}(?P<value>{_VALUE})",
            re.IGNORECASE | re.DOTALL,
        ),
        _named,
    ),
    (re.compile(rf"({_WORD}>)[^<\n]{{1,4096}}(?=</)", re.I), rf"\1{_MASK}"),
    (re.compile(r"([?&]key=)[^\s&'\"<>]+", re.I), rf"\1{_MASK}"),
    # SQL and command lines.
    (re.compile(r"(\bIDENTIFIED\s{1,20}BY\s{1,20})('[^']*'|\"[^\"]*\"|\S+)", re.I), rf"\1{_MASK}"),
    (
        re.compile(
            r"(\bPASSWORD(?:\s{1,20}FOR\s{1,20}\S{1,200}\s{0,20}=)?\s{0,20}\(?\s{0,20})('(?:[^'\\]|\\.|'')*')",
            re.IGNORECASE,
        ),
        rf"\1{_MASK}",
    ),
    (re.compile(r"(\s(?:-u|--user)[ =][^\s:'\"]{1,200}:)\S+"), rf"\1{_MASK}"),
    (re.compile(r"(\s--password[= ])(\S+)"), rf"\1{_MASK}"),
    (re.compile(r"(\s-p)(?!(?:rint0?|rune|erm|ath|ort)\b)([^\s\-]\S*)"), rf"\1{_MASK}"),
)


def redact(text: str) -> str:
    """The text with everything that looks like a secret masked; host, user and database stay."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def redact_processor(_logger: Any, _name: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: masks values of keys that name a secret, and secrets inside everything else."""
    return {key: value if _is_internal(key) else _redacted(key, value) for key, value in event_dict.items()}


def _is_internal(key: str) -> bool:
    """Keys between structlog's processors (`_record`, `exc_info`); none of them is written out."""
    return key.startswith("_") or key == "exc_info"


def _redacted(key: Any, value: Any) -> Any:
    if isinstance(key, str) and _SECRET_KEY.search(key):
        return _MASK
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {
            redact(inner) if isinstance(inner, str) else inner: _redacted(inner, item) for inner, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        if len(value) == 2 and isinstance(value[0], str):  # a header, or another pair of name and value
            return [redact(value[0]), _redacted(*value)]
        return [_redacted(None, item) for item in value]
    return redact(repr(value))  # what the renderers would write: errors, bytes, objects
