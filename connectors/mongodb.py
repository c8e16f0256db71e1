"""MongoDB: one find or one aggregation, read in raw batches, each document checked against the columns.

Documents have no columns. The query declares them (`columns`), or the first documents of the result show them; then
every document must fit. A field that is null and one that is missing both become NULL. See docs/reference/types.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import Field, model_validator

from connectors._mongodb_errors import translate
from connectors._mongodb_link import Link, reach
from connectors._mongodb_query import MongoQuery, read_query
from connectors._mongodb_rows import Columns, Shape, decoded, sampled
from connectors._mongodb_types import SOURCE_TYPES
from connectors._mongodb_values import bound, to_bson
from connectors._server import ServerConfig, Word, allowed_addresses, connect_seconds, silent, unheard
from shared.errors import SourceRejected, SourceUnavailable
from shared.plugins import Column, Connector, Control, Query, SourceCapabilities, SourceType, Table
from shared.plugins.streaming import guarded, translated

_GRACE = 0.5
"""Seconds that the server's time limit is later than ours, so that ours is the one that is told."""
_LISTED = 500
_LOOKED_AT = 50


class MongodbConfig(ServerConfig):
    port: int = Field(27017, title="Port", ge=1, le=65535, description="TCP port of a mongod or a mongos.")
    username: Word | None = Field(  # type: ignore[assignment]  # a server without access control knows no logins
        None, title="User", description="A login that may only read.", examples=["reports"]
    )
    auth_source: Word = Field(
        "admin", title="Login database", description="Where the login was created.", examples=["admin", "sales"]
    )
    read_preference: Literal["primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"] = Field(
        "primary", title="Read from", description="Which members of a shard a mongos may read from."
    )
    sample: int = Field(
        1000,
        title="Sample",
        ge=1,
        le=10_000,
        description="Documents that show the columns of a query without `columns`.",
    )

    @model_validator(mode="after")
    def _login_is_whole(self) -> MongodbConfig:
        if (self.username is None) != (self.password is None):
            raise ValueError("give username and password, or neither")
        return self


@dataclass(frozen=True, slots=True)
class _Session:
    client: Any
    database: Any
    session: Any
    link: Link


class MongodbConnector(Connector[MongodbConfig]):
    kind = "mongodb"
    title = "MongoDB"
    config_model = MongodbConfig
    drivers = ("pymongo",)
    capabilities = SourceCapabilities(dialect=None, cancels=True)
    source_types: ClassVar[Sequence[SourceType]] = SOURCE_TYPES

    @classmethod
    def check_query(cls, text: str) -> frozenset[str]:
        """Names of the parameters of a query that may be sent.

        Raises:
            QueryRefused: it does more than read, or is no query.
        """
        return read_query(text).parameters

    def check(self, control: Control) -> str:
        with self._session(control) as opened, translated(control, translate):
            version = opened.client.admin.command("buildInfo")["version"]
            if not self._collections(opened):
                raise SourceRejected(
                    f"Database: {self.config.database} has no collection that the login may read.",
                    hint="Check `database`, and grant the login `find` on its collections.",
                )
        return f"MongoDB {version}"

    @contextlib.contextmanager
    def stream(self, query: Query, control: Control) -> Iterator[pa.RecordBatchReader]:
        asked = read_query(query.text, lambda name: bound(name, query))
        with self._session(control) as opened, control.on_cancel(lambda: self._kill(opened, query, control)):
            with translated(control, translate), contextlib.ExitStack() as opening:
                cursor = _started(opened, asked, query, control)
                opening.callback(cursor.close)
                documents, written = decoded(cursor), asked.written
                if written.columns:
                    columns = Columns(written.columns, is_complete=False)
                else:
                    limit = written.sample or self.config.sample
                    columns, documents = sampled(documents, limit, flattens=written.documents == "flatten")
                closing = opening.pop_all()
            with closing, guarded(columns.schema, columns.batches(documents, query), control, translate) as reader:
                yield reader

    def tables(self, control: Control) -> list[Table]:
        with self._session(control) as opened, translated(control, translate):
            return [
                self._table(opened, name, is_view, control) for name, is_view in self._collections(opened)[:_LISTED]
            ]

    def _collections(self, opened: _Session) -> list[tuple[str, bool]]:
        found = opened.database.list_collections(session=opened.session, nameOnly=True, authorizedCollections=True)
        names = [(item["name"], item.get("type") == "view") for item in found]
        return sorted(item for item in names if not item[0].startswith("system."))

    def _table(self, opened: _Session, name: str, is_view: bool, control: Control) -> Table:
        """The columns are the fields of some documents, with all types that were met there."""
        control.check()
        limit = {"maxTimeMS": _milliseconds(control)} if control.remaining() is not None else {}
        collection = opened.database[name]
        shape = Shape(flattens=False)
        cursor = collection.find_raw_batches({}, limit=_LOOKED_AT, session=opened.session)
        with contextlib.closing(cursor):
            for _, document in decoded(cursor.max_time_ms(_milliseconds(control)) if limit else cursor):
                shape.add(document)
        estimate = None if is_view else collection.estimated_document_count(**limit)
        columns = tuple(Column(*field[:2], is_primary_key=field[2]) for field in shape.described())
        return Table(name, None, "view" if is_view else "table", columns, estimate)

    @contextlib.contextmanager
    def _session(self, control: Control) -> Iterator[_Session]:
        client, link = self._connect(control)
        with contextlib.ExitStack() as stack:
            stack.callback(client.close)
            with translated(control, self._translate_opening):
                client.admin.command("ping")
            with translated(control, translate):
                session = stack.enter_context(client.start_session())
                opened = _Session(client, client[self.config.database], session, link)
            yield opened

    def _connect(self, control: Control) -> tuple[Any, Link]:
        import pymongo

        config = self.config
        addresses = allowed_addresses(config.host, config.port, control)
        seconds = connect_seconds(config, control)
        with translated(control, self._translate_opening):
            address, link = reach(addresses, config, config.port, seconds)
            milliseconds = max(1, int(seconds * 1000))
            login: dict[str, Any] = {"authSource": config.auth_source} if config.username else {}
            client: Any = pymongo.MongoClient(
                f"[{address}]" if ":" in address else address,
                config.port,
                username=config.username,
                password=config.password.get_secret_value() if config.password else None,
                directConnection=True,
                connect=False,
                appname="report-hub",
                retryReads=False,
                connectTimeoutMS=milliseconds,
                serverSelectionTimeoutMS=milliseconds,
                readPreference=config.read_preference,
                **login,
            )
            link.attach(client)
        return client, link

    def _translate_opening(self, error: Exception) -> Exception:
        """Before the first answer, a broken connection means that nothing listens, or that it is no MongoDB."""
        found = translate(error)
        if isinstance(found, SourceUnavailable) and found.message.startswith("Network"):
            return unheard(self.config) if "refused" in str(error).lower() else silent(self.config)
        return found

    def _kill(self, opened: _Session, query: Query, control: Control) -> None:
        """End the session's work on the server from a second connection; whatever comes of it, cut the first one."""
        try:
            client, _ = self._connect(Control(network=control.network))
            with client:
                _stop(client, opened.session.session_id, query.tag)
        finally:
            opened.link.cut()


def _started(opened: _Session, asked: MongoQuery, query: Query, control: Control) -> Any:
    """A cursor over raw batches. Nothing is read before the first one is asked for."""
    collection = opened.database[asked.collection]
    options: dict[str, Any] = {"session": opened.session, "comment": f"report-hub {query.tag}" if query.tag else None}
    if asked.collation:
        options["collation"] = asked.collation
    if asked.find is not None:
        cursor = collection.find_raw_batches(**to_bson(asked.find), **options)
        return cursor.max_time_ms(_milliseconds(control)) if control.remaining() is not None else cursor
    if control.remaining() is not None:
        options["maxTimeMS"] = _milliseconds(control)
    return collection.aggregate_raw_batches(to_bson(asked.pipeline), **options)


def _stop(client: Any, session: Any, tag: str | None) -> None:
    """A login may always end its own sessions; servers that know no sessions let it end operations."""
    from pymongo.errors import OperationFailure

    try:
        client.admin.command("killSessions", [session])
    except OperationFailure:
        own = [{"$currentOp": {"allUsers": False}}, {"$match": {"command.comment": f"report-hub {tag}"}}]
        for operation in client.admin.aggregate(own) if tag else ():
            client.admin.command("killOp", op=operation["opid"])


def _milliseconds(control: Control) -> int:
    return max(1, int(((control.remaining() or 0) + _GRACE) * 1000))
