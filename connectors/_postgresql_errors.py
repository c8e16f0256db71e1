"""PostgreSQL's errors in our words; the layer that failed is named. SQLSTATE: PostgreSQL manual, appendix A."""

from __future__ import annotations

from typing import Any

from connectors._server import ServerConfig, silent, unheard
from shared.errors import SourceRejected, SourceUnavailable

_BUSY = ("08", "40", "53", "55", "57")
_LOGIN = ("password authentication failed", "no pg_hba.conf entry", "role ", "authentication", "no password supplied")


def translate(error: Exception, config: ServerConfig, *, offset: int = 0) -> Exception:
    """The error to raise. `offset`: how many characters of ours stand before the author's statement."""
    import psycopg2

    if not isinstance(error, psycopg2.Error):
        return error
    state = getattr(error, "pgcode", None)
    if state is None:
        return _without_state(str(error), config)
    message = (error.diag.message_primary or str(error))[:500]
    if state == "57014":
        return SourceRejected("PostgreSQL ended the statement.", hint=message)
    if state.startswith("28"):
        return _refused_login(config, f"Check user and password. {message}")
    if state == "3D000":
        return _no_database(config)
    if state.startswith(_BUSY):
        return SourceUnavailable(f"PostgreSQL at {config.host} cannot run the query right now.", hint=message)
    return _rejected(error, message, offset)


def _rejected(error: Any, message: str, offset: int) -> SourceRejected:
    position = error.diag.statement_position
    hint = " ".join(part for part in (message, error.diag.message_hint) if part)
    if position is None or not error.cursor or not error.cursor.query:
        return SourceRejected("PostgreSQL refused the query.", hint=hint)
    text = error.cursor.query.decode(errors="replace")[offset : int(position) - 1]
    line = text.count("\n") + 1
    column = len(text) - (text.rfind("\n") + 1) + 1
    return SourceRejected("PostgreSQL refused the query.", hint=hint, line=line, column=column)


def _without_state(text: str, config: ServerConfig) -> Exception:
    """Errors of connecting carry no SQLSTATE; libpq's words tell the layer."""
    lowered = text.lower()
    if "database" in lowered and "does not exist" in lowered:
        return _no_database(config)
    if any(word in lowered for word in _LOGIN):
        return _refused_login(config, "Check user, password and pg_hba.conf.")
    if "certificate" in lowered or "ssl" in lowered:
        return SourceRejected(
            f"TLS: no secure connection to {config.host} could be made.",
            hint="Check `tls` and `ca_certificate`; the server may not offer TLS, or its certificate is not trusted.",
        )
    if "timeout" in lowered or "timed out" in lowered:
        return silent(config)
    if "refused" in lowered or "unreachable" in lowered or "no route" in lowered:
        return unheard(config)
    return SourceUnavailable(
        f"Network: the connection to PostgreSQL at {config.host} broke.",
        hint="See whether the server was restarted, then execute the report again.",
    )


def _refused_login(config: ServerConfig, hint: str) -> SourceRejected:
    return SourceRejected(f"Login: {config.host} refused the login for user {config.username}.", hint=hint)


def _no_database(config: ServerConfig) -> SourceRejected:
    return SourceRejected(f"Database: {config.host} has no database {config.database}.", hint="Check `database`.")
