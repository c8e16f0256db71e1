"""Reads the rows of MySQL's text protocol into Arrow, whole network buffers at a time.

Protocol: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html. A
packet is 3 bytes of length, 1 of sequence, then the payload; a row's payload is one length-encoded string per column,
0xFB for NULL. A payload of 0xFFFFFF bytes goes on in the next packet.

Per buffer one small loop finds where rows begin; then every column is cut out for all rows at once into an Arrow
string_view, which points into the buffer, and cast by Arrow's kernels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors._mysql_types import MysqlColumns
from shared.errors import SourceUnavailable
from shared.plugins import Query

Bytes = npt.NDArray[np.uint8]

_HEADER = struct.Struct("<I").unpack_from
_FULL_PACKET = 0xFFFFFF
_READ = 1 << 16
_NULL, _TWO_BYTES, _THREE_BYTES, _EIGHT_BYTES, _ERROR = 251, 252, 253, 254, 255
_INLINE = 12
"""Bytes of a string that an Arrow view holds in itself (Arrow columnar format, variable-size binary view)."""
_INLINE_MASK = np.array([[255] * length + [0] * (_INLINE - length) for length in range(_INLINE + 1)], np.uint8)


class RowStream:
    """Sends the statement and reads the column definitions; `batches` reads the rows."""

    def __init__(self, connection: Any, text: str, query: Query) -> None:
        from pymysql.connections import MySQLResult
        from pymysql.constants import COMMAND

        connection._execute_command(COMMAND.COM_QUERY, text)
        result: Any = MySQLResult(connection)
        result.init_unbuffered_query()
        result.unbuffered_active = False  # its destructor would else read all rows
        self._connection = connection
        self._query = query
        self.fields = result.fields or []
        self._buffer = np.zeros(query.batch_bytes + 2 * _READ, np.uint8)
        self._filled = 0
        self._position = 0
        self._starts: list[int] = []
        self._is_over = not self.fields
        self.warning_count = 0

    def batches(self, columns: MysqlColumns) -> Iterator[pa.RecordBatch]:
        row = 0
        reader = self._connection._rfile
        while not self._is_over or self._starts:
            if not self._is_over and not self._is_batch_full():
                reader = self._fill(reader)
                self._find_rows()
                continue
            starts = self._starts[: self._query.batch_rows]
            yield self._cut(starts, columns, row)
            row += len(starts)
            self._move_on(len(starts))

    def _is_batch_full(self) -> bool:
        return len(self._starts) >= self._query.batch_rows or (
            bool(self._starts) and self._position >= self._query.batch_bytes
        )

    def _fill(self, reader: Any) -> Any:
        """Append what the socket has; first what the buffered reader took already, then straight from the socket."""
        if self._filled > len(self._buffer) - 2 * _READ:  # a row larger than the buffer
            self._buffer = np.concatenate([self._buffer, np.zeros(len(self._buffer), np.uint8)])
        view = memoryview(self._buffer)  # type: ignore[arg-type]
        if hasattr(reader, "read1"):
            data = reader.read1(_READ)
            view[self._filled : self._filled + len(data)] = data
            count, reader = len(data), getattr(reader, "raw", reader)
        else:
            count = reader.readinto(view[self._filled : len(self._buffer) - _READ])
        if not count:
            raise SourceUnavailable(
                "Network: the server closed the connection while it sent rows.",
                hint="See whether it was restarted, then execute the report again.",
            )
        self._filled += count
        return reader

    def _find_rows(self) -> None:
        from pymysql.err import raise_mysql_exception

        view = memoryview(self._buffer)  # type: ignore[arg-type]
        position, filled = self._position, self._filled
        while position + 4 < filled:
            length = _HEADER(view, position)[0] & _FULL_PACKET
            end = position + 4 + length
            if length == _FULL_PACKET:
                joined = self._join_packets(position)
                if joined is None:
                    break
                end, filled = joined, self._filled
            elif end > filled:
                break
            first = view[position + 4]
            if first == _EIGHT_BYTES and length < 9:
                self.warning_count = int(view[position + 5]) | int(view[position + 6]) << 8
                self._is_over = True
                break
            if first == _ERROR:
                raise_mysql_exception(bytes(view[position + 4 : end]))
            self._starts.append(position + 4)
            position = end
        self._position = position

    def _join_packets(self, position: int) -> int | None:
        """Take out the headers inside a payload of several packets; its end, or None while a part is missing."""
        view = memoryview(self._buffer)  # type: ignore[arg-type]
        headers, here, length = [], position, _FULL_PACKET
        while length == _FULL_PACKET:
            if here + 4 > self._filled:
                return None
            length = _HEADER(view, here)[0] & _FULL_PACKET
            headers.append((here, length))
            here += 4 + length
        if here > self._filled:
            return None
        target = position + 4 + _FULL_PACKET
        for header, part in headers[1:]:
            view[target : target + part] = bytes(view[header + 4 : header + 4 + part])
            target += part
        rest = self._filled - here
        view[target : target + rest] = bytes(view[here : self._filled])
        self._filled = target + rest
        return target

    def _cut(self, starts: list[int], columns: MysqlColumns, row: int) -> pa.RecordBatch:
        cursor = np.array(starts, np.int64)
        arrays = []
        for position in range(len(self.fields)):
            views, cursor = _column(self._buffer, cursor, is_binary=columns.is_binary(position))
            arrays.append(columns.convert(views, position, row))
        return pa.RecordBatch.from_arrays(arrays, schema=columns.schema)

    def _move_on(self, count: int) -> None:
        """Begin a new buffer with what has not been handed out; the old one lives on in the views."""
        keep = self._starts[count] - 4 if count < len(self._starts) else self._position
        old, rest = self._buffer, self._filled - keep
        self._buffer = np.zeros(max(self._query.batch_bytes, rest) + 2 * _READ, np.uint8)
        self._buffer[:rest] = old[keep : self._filled]
        self._starts = [start - keep for start in self._starts[count:]]
        self._filled, self._position = rest, self._position - keep


def _column(buffer: Bytes, cursor: npt.NDArray[np.int64], *, is_binary: bool) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """One column of all rows as views into the buffer, and where the next column begins."""
    count = len(cursor)
    first = buffer[cursor]
    lengths, begins, is_valid = first.astype(np.int64), cursor + 1, None
    if count and first.max() > 250:
        is_null = first == _NULL
        if is_null.any():
            is_valid, lengths[is_null] = ~is_null, 0
        for code, width in ((_TWO_BYTES, 2), (_THREE_BYTES, 3), (_EIGHT_BYTES, 8)):
            rows = np.nonzero(first == code)[0]
            if len(rows):
                at = cursor[rows]
                parts = [buffer[at + 1 + byte].astype(np.int64) << (8 * byte) for byte in range(min(width, 5))]
                lengths[rows] = np.sum(parts, axis=0)
                begins[rows] += width
    views = _views(buffer, begins, lengths)
    bitmap = None if is_valid is None else pa.py_buffer(np.packbits(is_valid, bitorder="little"))
    kind = pa.binary_view() if is_binary else pa.string_view()
    array = pa.Array.from_buffers(kind, count, [bitmap, pa.py_buffer(views), pa.py_buffer(buffer)])
    return array, begins + lengths


def _views(buffer: Bytes, begins: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """16 bytes each: the length, then the text itself, or its first 4 bytes, the buffer's number and the offset."""
    windows = np.lib.stride_tricks.as_strided(buffer, (len(buffer) - _INLINE, _INLINE), (1, 1))
    views = np.empty((len(begins), 4), np.int32)
    views[:, 0] = lengths
    as_bytes = views.view(np.uint8).reshape(len(begins), 16)
    as_bytes[:, 4:] = windows[begins]
    long = np.nonzero(lengths > _INLINE)[0]
    if len(long) < len(begins):
        as_bytes[:, 4:] &= _INLINE_MASK[np.minimum(lengths, _INLINE)]
    if len(long):
        views[long, 2] = 0
        views[long, 3] = begins[long]
    return views
