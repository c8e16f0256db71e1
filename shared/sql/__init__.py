"""The SQL guard: proves, by parsing, that a text is one read-only statement with harmless functions."""

from shared.sql.guard import check_sql, refuse
from shared.sql.parameters import find_parameters
from shared.sql.verdict import SqlPolicy, Verdict

__all__ = ["SqlPolicy", "Verdict", "check_sql", "find_parameters", "refuse"]
