"""MySQL's and MariaDB's errors in our words; the layer that failed is named, and the server."""

from __future__ import annotations

import re
import ssl

from connectors._server import ServerConfig, silent
from shared.errors import SourceRejected, SourceUnavailable

_LOGIN = {1045, 1698, 1251, 2059, 4151}
_DATABASE = {1044, 1049}
_BUSY = {1040, 1053, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 2003, 2006, 2013, 4031}
_ENDED = {1317, 1969, 3024}
_LOST = {2003, 2006, 2013}
_CUT = {
    1260: "GROUP_CONCAT cut a text that became longer than group_concat_max_len.",
    1301: "A function gave NULL for a text that became longer than max_allowed_packet.",
}


def translate(error: Exception, config: ServerConfig) -> Exception:
    """The error to raise."""
    import pymysql

    if isinstance(error, ssl.SSLError):
        return SourceRejected(
            f"TLS: no secure connection to {config.host} could be made.",
            hint="Check `tls` and `ca_certificate`; the server's certificate may not be trusted.",
        )
    if isinstance(error, OSError):
        return SourceUnavailable(
            f"Network: the connection to {config.host} broke.", hint="Check host, port and firewalls."
        )
    if not isinstance(error, pymysql.MySQLError):
        return error
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    message = str(error.args[1])[:500] if len(error.args) > 1 else str(error)[:500]
    if code in _LOGIN:
        return SourceRejected(
            f"Login: {config.host} refused the login for user {config.username}.", hint="Check user and password."
        )
    if code in _DATABASE:
        return SourceRejected(
            f"Database: {config.host} has no database {config.database}, or user {config.username} may not use it.",
            hint="Check `database`.",
        )
    if "SSL" in message and "support" in message:
        return SourceRejected(f"TLS: {config.host} does not offer it.", hint="Set `tls` to prefer or disable.")
    if code in _ENDED:
        return SourceRejected(f"{config.host} ended the statement.", hint=message)
    if code in _BUSY or code == 0:
        return SourceUnavailable(f"{config.host} cannot run the query right now.", hint=message)
    line = re.search(r"at line (\d+)", message)
    return SourceRejected("The server refused the query.", hint=message, line=int(line[1]) if line else None)


def translate_greeting(error: Exception, config: ServerConfig) -> Exception:
    """The error to raise before anybody is logged in: what listens there may be slow, or something else."""
    import pymysql

    code = error.args[0] if isinstance(error, pymysql.MySQLError) and error.args else None
    if code in _LOST:
        return silent(config)
    if isinstance(error, pymysql.InternalError) or not isinstance(error, (pymysql.MySQLError, OSError)):
        return SourceRejected(
            f"Network: what listens on port {config.port} of {config.host} is no MySQL or MariaDB server.",
            hint="Check host and port.",
        )
    return translate(error, config)


def refuse_cut_values(warnings: list[tuple[str, int, str]]) -> None:
    """Raise SourceRejected when the server says that it left out a part of a value: such rows are no whole rows."""
    for _level, code, text in warnings:
        if code in _CUT:
            raise SourceRejected(
                _CUT[code], hint=f"Shorten it in the query, or raise the limit on the server. It says: {text[:300]}"
            )
