"""What the guard knows about single dialects: names, catalogues that hold secrets, hints, reserved words."""

from __future__ import annotations

import functools
import json
import re
from importlib.resources import files

ALIASES = {
    "postgresql": "postgres",
    "redshift": "postgres",
    "mariadb": "mysql",
    "sqlserver": "tsql",
    "mssql": "tsql",
    "sqlite3": "sqlite",
}
DIALECTS = ("bigquery", "clickhouse", "duckdb", "mysql", "oracle", "postgres", "snowflake", "sqlite", "tsql")

SECRET_SCHEMAS = {
    dialect: re.compile(pattern, re.IGNORECASE)
    for dialect, pattern in {
        "mysql": r"(mysql|performance_schema|sys)\Z",
        "postgres": r"(pg_catalog|pg_toast|information_schema)\Z",
        "tsql": r"(sys|master|msdb)\Z",
        "oracle": r"(sys|system)\Z",
        "duckdb": r"(information_schema|pg_catalog|system|temp)\Z",
        "clickhouse": r"(system|information_schema)\Z",
        "snowflake": r"(account_usage|information_schema)\Z",
        "bigquery": r".*information_schema",
    }.items()
}
SECRET_TABLES = {
    dialect: re.compile(pattern, re.IGNORECASE)
    for dialect, pattern in {
        "postgres": r"pg_",
        "tsql": r"(sys[a-z]+|sql_logins)\Z",
        "oracle": r"(dba_|v\$|gv\$|user\$|all_users|x\$)",
        "duckdb": r"(duckdb_|pragma_|sqlite_|pg_)",
        "sqlite": r"(sqlite_|pragma_)",
        "bigquery": r"information_schema",
    }.items()
}
HARMLESS_TABLES = {
    "clickhouse": frozenset(["system.numbers", "system.numbers_mt", "system.one", "system.zeros", "system.zeros_mt"])
}
"""Generators that live in a system schema."""
STATEMENTS_IN_BRACKETS = {
    "duckdb": frozenset(
        re.findall(
            r"\w+",
            """
    ANALYZE ATTACH BEGIN CALL CHECKPOINT COMMIT COPY DEALLOCATE DESC DESCRIBE DETACH EXECUTE EXPLAIN EXPORT FORCE
    IMPORT INSTALL LOAD PRAGMA PREPARE RESET ROLLBACK SET SHOW SUMMARIZE USE VACUUM
    """,
        )
    )
}
"""Words that begin a statement, `FROM (SHOW TABLES)`, where the parser sees a table with an alias."""
TSQL_TABLE_HINTS = frozenset(
    ["NOLOCK", "READUNCOMMITTED", "READCOMMITTED", "READPAST", "NOEXPAND", "FORCESEEK", "FORCESCAN", "SNAPSHOT"]
)
# https://learn.microsoft.com/sql/t-sql/language-elements/reserved-keywords-transact-sql: as an alias without AS, one of
# these is the start of another statement.
TSQL_RESERVED = frozenset(
    re.findall(
        r"\w+",
        """
    ADD ALL ALTER AND ANY AS ASC AUTHORIZATION BACKUP BEGIN BETWEEN BREAK BROWSE BULK BY CASCADE CASE CHECK
    CHECKPOINT CLOSE CLUSTERED COALESCE COLLATE COLUMN COMMIT COMPUTE CONSTRAINT CONTAINS CONTAINSTABLE CONTINUE
    CONVERT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURSOR DATABASE DBCC
    DEALLOCATE DECLARE DEFAULT DELETE DENY DESC DISK DISTINCT DISTRIBUTED DOUBLE DROP DUMP ELSE END ERRLVL ESCAPE
    EXCEPT EXEC EXECUTE EXISTS EXIT EXTERNAL FETCH FILE FILLFACTOR FOR FOREIGN FREETEXT FREETEXTTABLE FROM FULL
    FUNCTION GO GOTO GRANT GROUP HAVING HOLDLOCK IDENTITY IDENTITY_INSERT IDENTITYCOL IF IN INDEX INNER INSERT
    INTERSECT INTO IS JOIN KEY KILL LEFT LIKE LINENO LOAD MERGE NATIONAL NOCHECK NONCLUSTERED NOT NULL NULLIF OF
    OFF OFFSETS ON OPEN OPENDATASOURCE OPENQUERY OPENROWSET OPENXML OPTION OR ORDER OUTER OVER PERCENT PIVOT PLAN
    PRECISION PRIMARY PRINT PROC PROCEDURE PUBLIC RAISERROR READ READTEXT RECONFIGURE REFERENCES REPLICATION
    RESTORE RESTRICT RETURN REVERT REVOKE RIGHT ROLLBACK ROWCOUNT ROWGUIDCOL RULE SAVE SCHEMA SECURITYAUDIT SELECT
    SEMANTICKEYPHRASETABLE SESSION_USER SET SETUSER SHUTDOWN SOME STATISTICS SYSTEM_USER TABLE TABLESAMPLE
    TEXTSIZE THEN TO TOP TRAN TRANSACTION TRIGGER TRUNCATE TRY_CONVERT TSEQUAL UNION UNIQUE UNPIVOT UPDATE
    UPDATETEXT USE USER VALUES VARYING VIEW WAITFOR WHEN WHERE WHILE WITH WITHIN WRITETEXT
    """,
    )
)


def canonical(dialect: str) -> str:
    """The name under which a dialect is known here.

    Raises:
        ValueError: unknown.
    """
    name = ALIASES.get(dialect.strip().lower(), dialect.strip().lower())
    if name not in DIALECTS:
        raise ValueError(f"Unknown dialect. Known: {', '.join((*DIALECTS, *sorted(ALIASES)))}.")
    return name


@functools.cache
def allowed_functions(dialect: str) -> frozenset[str]:
    """Functions that a report may call, lower case. What is on no list is refused."""
    return frozenset(_lists()["allow"].get(dialect, ()))


@functools.cache
def parser_functions() -> frozenset[str]:
    """Names of the parser's own classes of functions that were reviewed and do no harm."""
    return frozenset(json.loads((files("shared.sql") / "parser_functions.json").read_text(encoding="utf-8"))["allow"])


@functools.cache
def _lists() -> dict[str, dict[str, list[str]]]:
    text = (files("shared.sql") / "functions.json").read_text(encoding="utf-8")
    lists: dict[str, dict[str, list[str]]] = json.loads(text)
    return lists
