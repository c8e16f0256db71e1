"""Documents as rows: the columns that are declared or that a sample shows, and a check on every document."""

from __future__ import annotations

import contextlib
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pyarrow as pa

from connectors._mongodb_types import Convert, DeclaredColumn, arrow_field, common_kind, converters, json_text, kind_of
from shared.errors import SourceRejected
from shared.plugins import Query

_LENGTH = struct.Struct("<i").unpack_from
_SAMPLE_BYTES = 16 << 20
_MAX_COLUMNS = 1000
Sized = tuple[int, dict[str, Any]]


def decoded(raw_batches: Iterable[bytes]) -> Iterator[Sized]:
    """Each document with its size. A batch stays in bytes (at most 16 MB, says the server) until a document is due.

    Raises:
        SourceRejected: bytes that are no valid BSON, by document.
    """
    import bson
    from bson.binary import UuidRepresentation
    from bson.codec_options import DatetimeConversion
    from bson.errors import BSONError

    options: Any = bson.CodecOptions(
        uuid_representation=UuidRepresentation.STANDARD, datetime_conversion=DatetimeConversion.DATETIME_MS
    )
    number = 0
    for batch in raw_batches:
        position = 0
        while position < len(batch):
            size, number = _LENGTH(batch, position)[0], number + 1
            try:
                document = bson.decode(batch[position : position + size], options)
            except BSONError as error:
                raise SourceRejected(
                    f"Document {number:,} cannot be read: it is not valid BSON.", hint=str(error)[:300]
                ) from error
            yield size, document
            position += size


@dataclass
class _Node:
    """A step of a path. `positions` are the columns that end here, `children` the fields of the document here."""

    positions: list[int] = field(default_factory=list)
    children: dict[str, _Node] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    name: str = ""


class Columns:
    """The columns of one result, and the check on each document.

    Args:
        columns: in their order.
        is_complete: a field that is no column is an error, for it would be lost without a word.
    """

    def __init__(self, columns: Sequence[DeclaredColumn], *, is_complete: bool) -> None:
        self._columns = columns
        self._is_complete = is_complete
        self._root = _Node()
        self._converters: list[Mapping[type, Convert] | None] = []
        for position, column in enumerate(columns):
            node = self._root
            for step in column.steps:
                node = node.children.setdefault(step, _Node(name=f"{node.name}.{step}" if node.name else step))
            node.positions.append(position)
            self._converters.append(None if column.type == "json" else converters(column.type))
        self.schema = pa.schema([arrow_field(column.name, column.type) for column in columns])

    def batches(self, documents: Iterator[Sized], query: Query) -> Iterator[pa.RecordBatch]:
        """Batches by rows and by bytes of the documents."""
        rows: list[list[Any]] = []
        size = before = 0
        with contextlib.closing(documents):  # type: ignore[type-var]  # a generator
            for length, document in documents:
                rows.append(self._row(document, before + len(rows) + 1))
                size += length
                if len(rows) >= query.batch_rows or size >= query.batch_bytes:
                    yield self._batch(rows)
                    before, rows, size = before + len(rows), [], 0
            if rows:
                yield self._batch(rows)

    def _batch(self, rows: list[list[Any]]) -> pa.RecordBatch:
        columns = zip(*rows, strict=True)
        arrays = [pa.array(values, item.type) for values, item in zip(columns, self.schema, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _row(self, document: dict[str, Any], number: int) -> list[Any]:
        row: list[Any] = [None] * len(self._columns)
        try:
            self._fill(row, document, self._root)
        except _Misfit as misfit:
            raise misfit.error(number, document) from None
        return row

    def _fill(self, row: list[Any], document: dict[str, Any], parent: _Node) -> None:
        for key, value in document.items():
            node = parent.children.get(key)
            if node is None:
                if self._is_complete:
                    place = f"{parent.name}.{key}" if parent.name else key
                    raise _Misfit(place, "the field was in no document of the sample", _DECLARE)
                continue
            if value is None:
                continue
            for position in node.positions:
                row[position] = self._value(value, position, node)
            if node.children:
                if type(value) is not dict:
                    raise _Misfit(node.name, f"a document is expected, this is {_article(kind_of(value))}", _UNWIND)
                self._fill(row, value, node)

    def _value(self, value: Any, position: int, node: _Node) -> Any:
        converts = self._converters[position]
        if converts is None:
            return json_text(value)
        convert = converts.get(type(value))
        kind = self._columns[position].type
        if convert is None:
            found = _article(kind_of(value))
            raise _Misfit(node.name, f"{found} does not fit into the column's type {kind}", _CONVERT)
        try:
            return convert(value)
        except ValueError:
            raise _Misfit(node.name, f"the value does not fit into {kind}", _CONVERT) from None


def sampled(documents: Iterator[Sized], limit: int, *, flattens: bool) -> tuple[Columns, Iterator[Sized]]:
    """Columns as the first documents show them, and all documents again.

    Args:
        limit: look at so many documents, and at no more than 16 MB of them.
        flattens: fields of documents become columns with dotted names; else a document is JSON text.

    Raises:
        SourceRejected: no document, too many fields, or a field with values of types that do not go together.
    """
    first: deque[Sized] = deque()
    shape = Shape(flattens=flattens)
    size = 0
    for length, document in documents:
        first.append((length, document))
        shape.add(document)
        size += length
        if len(first) >= limit or size >= _SAMPLE_BYTES:
            break
    if not any(document for _, document in first):
        raise SourceRejected("The query found no document, so its columns are unknown.", hint=_DECLARE)
    return Columns(shape.columns(), is_complete=True), _again(first, documents)


class Shape:
    """Which fields documents have, and values of which types."""

    def __init__(self, *, flattens: bool) -> None:
        self._root = _Node()
        self._flattens = flattens

    def add(self, document: dict[str, Any]) -> None:
        self._look(document, self._root)

    def columns(self) -> list[DeclaredColumn]:
        """Raises SourceRejected when a field has no one type."""
        return list(self._columns(self._root))

    def described(self) -> list[tuple[str, str, bool]]:
        """Name, types in words, and whether it is a key of each top-level field, for the list of tables."""
        return [(name, " | ".join(sorted(node.kinds)) or "null", name == "_id") for name, node in self._fields()]

    def _fields(self) -> list[tuple[str, _Node]]:
        return list(self._root.children.items())

    def _look(self, document: dict[str, Any], parent: _Node) -> None:
        for key, value in document.items():
            node = parent.children.get(key)
            if node is None:
                node = parent.children[key] = _Node(name=f"{parent.name}.{key}" if parent.name else key)
            if value is None:
                continue
            node.kinds.add(kind_of(value))
            if type(value) is dict and self._flattens:
                self._look(value, node)

    def _columns(self, parent: _Node) -> Iterator[DeclaredColumn]:
        count = 0
        for key, node in parent.children.items():
            if "." in key or not key:
                raise SourceRejected(
                    f"Field {node.name}: its own name is empty or has a dot, so columns cannot be named after it.",
                    hint="Set documents to json for it to stand inside a JSON text, or rename it with $getField.",
                )
            if node.children and node.kinds == {"object"}:
                found = list(self._columns(node))
            else:
                found = [DeclaredColumn.model_construct(name=node.name, path=None, type=self._kind(node))]
            count += len(found)
            if count > _MAX_COLUMNS:
                raise SourceRejected(
                    f"The documents have more than {_MAX_COLUMNS:,} fields.",
                    hint="Set documents to json, or declare columns.",
                )
            yield from found

    @staticmethod
    def _kind(node: _Node) -> str:
        kind = common_kind(node.kinds)
        if kind is None:
            kinds = " and ".join(sorted(node.kinds))
            raise SourceRejected(f"Field {node.name}: the sample has values of the types {kinds}.", hint=_CONVERT)
        return kind


class _Misfit(Exception):
    def __init__(self, place: str, reason: str, hint: str) -> None:
        super().__init__(place)
        self._words = place, reason, hint

    def error(self, number: int, document: dict[str, Any]) -> SourceRejected:
        place, reason, hint = self._words
        key = document.get("_id")
        name = f" (_id {key})" if kind_of(key) in ("objectId", "int", "long") else ""  # a text may be personal
        return SourceRejected(f"Document {number:,}{name}, field {place}: {reason}.", hint=hint)


_DECLARE = "Declare `columns` in the query, or look at more documents with `sample`."
_CONVERT = "Declare the column with another type (json takes any value), or convert it in the query, as with $toString."
_UNWIND = "Declare the column as json, or take the array apart with $unwind."


def _again(first: deque[Sized], rest: Iterator[Sized]) -> Iterator[Sized]:
    """The sampled documents are let go one by one."""
    yield from chain((first.popleft() for _ in range(len(first))), rest)


def _article(kind: str) -> str:
    words = {"other": "a value of a rare type", "array": "an array", "object": "a document", "int": "an int"}
    return words.get(kind, f"an {kind}" if kind[0] in "aeiou" else f"a {kind}")
