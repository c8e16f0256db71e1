"""What every converter promises; a new converter inherits these tests and gives a reader that is not its own."""

from __future__ import annotations

import io
import statistics
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from shared.errors import Cancelled, ConversionRejected, SourceUnavailable
from shared.plugins import Control, Converter, ReportInfo, load
from shared.plugins.converter import TYPE_FAMILIES

MOMENT = datetime(2024, 7, 1, 10, 30, tzinfo=UTC)
SCRIPTS = ["Zürich Łódź", "Ελλάδα", "Київ", "ירושלים", "القاهرة", "東京 서울", "मुंबई", "👩‍🚀 𝔘"]
SCHEMA = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string())])


class WriteOnly(io.RawIOBase):
    """A sink that can neither seek nor tell."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.content += data
        return len(data)


class Stopping(Control):
    """Is cancelled by itself at the n-th look at the flag."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def check(self) -> None:
        self._looks -= 1
        if self._looks == 0:
            self.cancel()
        super().check()


def report(**changes: Any) -> ReportInfo:
    facts: dict[str, Any] = {
        "name": "Sales",
        "scheduled_for": MOMENT,
        "generated_at": MOMENT,
        "timezone": "Europe/Berlin",
        "execution_id": "01JX5",
    }
    return ReportInfo(**facts | changes)


def written(
    converter: Converter[Any],
    table: pa.Table,
    path: Path,
    info: ReportInfo | None = None,
    batch_rows: int = 1_000,
) -> Path:
    """The file, through a sink that only writes; rows given, written and read back are the same."""
    sink = WriteOnly()
    rows = converter.write(table.to_reader(batch_rows), sink, info or report(), Control())  # type: ignore[arg-type]
    path.write_bytes(sink.content)
    assert rows == table.num_rows == converter.count_rows(path, Control())
    return path


def people(rows: int, first: int = 1) -> pa.Table:
    numbers = range(first, first + rows)
    return pa.table([list(numbers), [f"name{number}" for number in numbers]], schema=SCHEMA)


class ConverterContract:
    """Attributes:
    converter: with its default options.
    is_bytewise: how rows are cut into batches leaves no trace in the file (no widths from the first rows).
    scripts: texts that come back as they are.
    large_rows: so many rows of 1,000 characters are written without holding them.
    """

    converter: ClassVar[Converter[Any]]
    is_bytewise: ClassVar[bool] = True
    scripts: ClassVar[list[str]] = SCRIPTS
    large_rows: ClassVar[int] = 100_000

    def cells(self, path: Path) -> list[list[str | None]]:
        """The rows of the file as another reader sees them, without the header; every value as text."""
        raise NotImplementedError

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / f"report.{self.converter.extension}"

    def test_it_is_found_by_its_kind_and_its_extension_without_loading_drivers(self) -> None:
        assert load("converter", self.converter.kind) is type(self.converter)
        assert load("converter", self.converter.extension) is type(self.converter)
        assert self.converter.missing_drivers() == []

    def test_every_field_has_a_title_and_a_description(self) -> None:
        for name, field in type(self.converter.config).model_fields.items():
            assert field.title, name
            assert field.description, name

    def test_each_type_has_a_documented_representation(self) -> None:
        assert set(self.converter.representations) == set(TYPE_FAMILIES)
        assert all(self.converter.representations.values())

    @pytest.mark.parametrize("rows", [0, 1, 2, 1_000, 1_001, 9_000])
    def test_rows_come_back_in_order_and_are_counted(self, rows: int, path: Path) -> None:
        found = self.cells(written(self.converter, people(rows), path))
        assert found == [[str(number), f"name{number}"] for number in range(1, rows + 1)]

    def test_no_batch_and_an_empty_batch_are_no_rows(self, path: Path) -> None:
        for batches in ([], SCHEMA.empty_table().to_batches(), people(0).to_batches()):
            reader = pa.RecordBatchReader.from_batches(SCHEMA, iter(batches))
            with path.open("wb") as sink:
                assert self.converter.write(reader, sink, report(), Control()) == 0
            assert self.converter.count_rows(path, Control()) == 0
            assert self.cells(path) == []

    def test_many_batches_are_one_table(self, path: Path) -> None:
        table = people(600)
        one = written(self.converter, table, path, batch_rows=600)
        content, cells = one.read_bytes(), self.cells(one)
        for batch_rows in (1, 7, 512):
            many = written(self.converter, table, path, batch_rows=batch_rows)
            assert self.cells(many) == cells
            if self.is_bytewise:
                assert many.read_bytes() == content

    def test_the_same_rows_give_the_same_file(self, path: Path) -> None:
        first = written(self.converter, people(500), path).read_bytes()
        assert written(self.converter, people(500), path).read_bytes() == first

    def test_a_slice_gives_its_own_rows_only(self, path: Path) -> None:
        found = self.cells(written(self.converter, people(5_000).slice(1_234, 17), path))
        assert [row[0] for row in found] == [str(number) for number in range(1_235, 1_252)]

    def test_text_of_all_scripts_comes_back(self, path: Path) -> None:
        table = pa.table([range(len(self.scripts)), self.scripts], schema=SCHEMA)
        assert [row[1] for row in self.cells(written(self.converter, table, path))] == self.scripts

    def test_null_is_not_the_empty_text(self, path: Path) -> None:
        table = pa.table([[1, 2, None, 4], ["", None, "x", ""]], schema=SCHEMA)
        found = self.cells(written(self.converter, table, path))
        assert found == [["1", ""], ["2", None], [None, "x"], ["4", ""]]

    def test_cancel_stops_the_writing(self, path: Path) -> None:
        for looks in (1, 2, 5):
            with path.open("wb") as sink, pytest.raises(Cancelled):
                self.converter.write(people(20_000).to_reader(100), sink, report(), Stopping(looks))

    def test_cancel_stops_the_counting(self, path: Path) -> None:
        written(self.converter, people(20_000), path)
        with pytest.raises(Cancelled):
            self.converter.count_rows(path, Stopping(1))

    def test_an_error_of_the_source_comes_through_and_no_whole_file_remains(self, path: Path) -> None:
        def batches() -> Iterator[pa.RecordBatch]:
            yield from people(2_000).to_batches()
            raise SourceUnavailable("The connection is lost.")

        reader = pa.RecordBatchReader.from_batches(SCHEMA, batches())
        with path.open("wb") as sink, pytest.raises(Exception, match="The connection is lost"):
            self.converter.write(reader, sink, report(), Control())
        assert not self.is_whole(path, 3_000)

    def test_a_cut_file_is_not_taken_for_the_whole(self, path: Path) -> None:
        content = written(self.converter, people(3_000), path).read_bytes()
        for size in (0, 1, 3, len(content) // 3, len(content) // 2, len(content) - 20, len(content) - 2):
            path.write_bytes(content[:size])
            assert not self.is_whole(path, 3_000), size
        path.write_bytes(content)
        assert self.is_whole(path, 3_000)

    def is_whole(self, path: Path, rows: int) -> bool:
        try:
            return self.converter.count_rows(path, Control()) == rows
        except ConversionRejected:
            return False

    def test_progress_is_reported(self, path: Path) -> None:
        seen: list[int] = []
        with path.open("wb") as sink:
            control = Control(progress=lambda _, rows: seen.append(rows))
            self.converter.write(people(4_000).to_reader(1_000), sink, report(), control)
        assert seen[-1] == 4_000
        assert seen == sorted(seen)

    def test_a_long_report_is_not_held_in_memory(self, path: Path) -> None:
        held: list[int] = []
        size = self.large_rows * 1_000

        def batches() -> Iterator[pa.RecordBatch]:
            for start in range(0, self.large_rows, 1_000):
                # What Arrow and Python hold, not what the process has: an allocator gives memory back when it likes.
                held.append(pa.total_allocated_bytes() + tracemalloc.get_traced_memory()[0])
                texts = [f"{number:010d}" * 100 for number in range(start, start + 1_000)]
                yield pa.record_batch([list(range(1_000)), texts], schema=SCHEMA)

        tracemalloc.start()
        try:
            with path.open("wb") as sink:
                reader = pa.RecordBatchReader.from_batches(SCHEMA, batches())
                assert self.converter.write(reader, sink, report(), Control()) == self.large_rows
        finally:
            tracemalloc.stop()
        third = len(held) // 3
        assert statistics.median(held[-third:]) - statistics.median(held[third:-third]) < size // 8
