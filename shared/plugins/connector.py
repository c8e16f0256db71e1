"""The contract of a connector: a datasource's rows as a stream of Arrow record batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from shared.plugins.base import ConfigT, Plugin
from shared.plugins.control import Control

ParameterValue = Any
"""None, str, int, float, Decimal, bool, date, datetime (aware, UTC), or a list of one of these."""


@dataclass(frozen=True, slots=True)
class Query:
    """One read-only statement with named parameters.

    Attributes:
        text: the statement; parameters are written `:name`. It has passed the SQL guard.
        params: values for every `:name`; bound by the driver, never pasted. A list expands inside `IN (:name)`.
        batch_rows: at most this many rows in a batch.
        batch_bytes: aim of a batch's size; wide rows give batches of fewer rows.
        tag: the execution id, put where the server shows it (application_name, comment), or None.
    """

    text: str
    params: Mapping[str, ParameterValue] = field(default_factory=dict)
    batch_rows: int = 16_384
    batch_bytes: int = 4 << 20
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class SourceCapabilities:
    """What a datasource can do; the engine asks this, never the kind.

    Attributes:
        dialect: sqlglot's name of its SQL, or None when queries are not SQL.
        cancels: a running statement can be stopped on the server.
        is_file: the datasource is a file below an allowed folder (`path` in its configuration).
    """

    dialect: str | None
    cancels: bool = True
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class SourceType:
    """How the values of one type of a datasource travel; the reference is made from it.

    Attributes:
        names: the datasource's words for it. `p`, `s` and `n` stand for numbers, as in `numeric(p, s)`.
        arrow: the type in the record batches, as Arrow writes it: `decimal128(p, s)`; several with ` or ` between.
        family: which of TYPE_FAMILIES the values are in files.
        note: what cannot be guessed: conversions, and values that are errors.
    """

    names: tuple[str, ...]
    arrow: str
    family: str
    note: str = ""


EVERYTHING_ELSE = "everything else"
"""Among the names of a SourceType: all types that no other one names."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the datasource describes it. `type` is the datasource's own word."""

    name: str
    type: str
    is_nullable: bool = True
    is_primary_key: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view. `schema` is None where the datasource has none; `row_estimate` is None when unknown."""

    name: str
    schema: str | None = None
    kind: str = "table"
    columns: tuple[Column, ...] = ()
    row_estimate: int | None = None


class Connector(Plugin[ConfigT]):
    """Opens a datasource read-only. Holds no connection between calls; every call opens and closes its own.

    Attributes:
        capabilities: what the datasource can do.
        source_types: for each type of the datasource what becomes of it. A type that is not there is no promise.
    """

    capabilities: ClassVar[SourceCapabilities]
    source_types: ClassVar[Sequence[SourceType]] = ()

    @classmethod
    def check_query(cls, text: str) -> frozenset[str]:
        """Names of the parameters of a query that may be sent; only for queries that are not SQL (no dialect).

        Raises:
            QueryRefused: it does more than read, or is no query.
        """
        raise NotImplementedError(f"{cls.kind} takes SQL, which the SQL guard checks")

    @abstractmethod
    def check(self, control: Control) -> str:
        """Connect, log in and read something; return the server's product and version in one line.

        Raises:
            SourceRejected, SourceUnavailable: the message names the layer that failed
                (name, network, TLS, login, database, file) and the hint says what to fix.
            MissingDriver: the driver is not installed.
        """

    @abstractmethod
    def stream(self, query: Query, control: Control) -> AbstractContextManager[pa.RecordBatchReader]:
        """Run the query and stream its rows with bounded memory.

        The schema comes from the driver's column description, never from guessing, and is known before the first
        row. Leaving the block early frees the connection at once and stops the statement on the server.

        Raises (on entering the block or while reading):
            SourceRejected: bad SQL, no permission, a value that does not fit its declared type (row and column named).
            SourceUnavailable: connection lost, server busy.
            Cancelled, TimeLimitReached: `control` said so.
        """

    @abstractmethod
    def tables(self, control: Control) -> list[Table]:
        """Tables and views that the login can read, system ones left out, sorted by schema and name."""
