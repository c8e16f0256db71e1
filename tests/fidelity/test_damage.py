"""A file that lost or changed something is caught: by the counts of its execution, or by its hash on its way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pytest

from deliverers._sources import pieces
from execution_engine import pipeline
from execution_engine.orders import WrittenFile
from shared.errors import ConversionRejected, DeliveryRefused
from shared.plugins import ArtifactFile, Control, Converter, ReportInfo
from tests.fidelity.executions import FORMATS, ROWS, execute

Fault = Callable[[Converter[Any], pa.RecordBatchReader, BinaryIO, ReportInfo, Control], int]
every_format = pytest.mark.parametrize("name", FORMATS)


def _changed(batches: pa.RecordBatchReader, change: Callable[[int, pa.RecordBatch], list[pa.RecordBatch]]) -> Any:
    def changed() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches):
            yield from change(number, batch)

    return pa.RecordBatchReader.from_batches(batches.schema, changed())


def _loses(number: int, batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    return [batch.slice(0, 1_000), batch.slice(2_000)] if number == 0 else [batch]


def _repeats(number: int, batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    return [batch, batch.slice(0, 10)] if number == 0 else [batch]


def drops_a_batch(
    converter: Converter[Any], batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control
) -> int:
    return converter.write(_changed(batches, _loses), sink, info, control)


def drops_a_batch_and_lies(
    converter: Converter[Any], batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control
) -> int:
    converter.write(_changed(batches, _loses), sink, info, control)
    return ROWS


def writes_rows_twice_and_lies(
    converter: Converter[Any], batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control
) -> int:
    converter.write(_changed(batches, _repeats), sink, info, control)
    return ROWS


def cuts_the_end(
    converter: Converter[Any], batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control
) -> int:
    kept = bytearray()

    class Short:
        """Says that it wrote, as a full disk behind a lazy cache does."""

        closed = False

        def write(self, data: Any) -> int:
            kept.extend(memoryview(data).cast("B"))
            return memoryview(data).nbytes

        def flush(self) -> None:
            """Nothing waits."""

    rows = converter.write(batches, Short(), info, control)  # type: ignore[arg-type]
    sink.write(bytes(kept[: len(kept) * 2 // 3]))
    return rows


def writes_nothing(
    converter: Converter[Any], batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control
) -> int:
    return sum(batch.num_rows for batch in batches)


def is_honest(
    converter: Converter[Any], batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control
) -> int:
    return converter.write(batches, sink, info, control)


Break = Callable[[Fault], None]


@pytest.fixture
def break_converters(monkeypatch: pytest.MonkeyPatch) -> Break:
    """From then on the fault writes the files of executions."""
    load = pipeline.load

    def break_them(fault: Fault) -> None:
        def faulty(family: Any, kind: str) -> Any:
            found = load(family, kind)
            if family != "converter":
                return found

            def write(self: Any, *arguments: Any) -> int:
                return fault(found(self.config), *arguments)

            return type(found.__name__, (found,), {"write": write, "__module__": found.__module__})

        monkeypatch.setattr(pipeline, "load", faulty)

    return break_them


@pytest.mark.parametrize(
    "fault", [drops_a_batch, drops_a_batch_and_lies, writes_rows_twice_and_lies, cuts_the_end, writes_nothing]
)
@every_format
def test_a_faulty_converter_fails_the_execution(
    name: str, fault: Fault, tmp_path: Path, break_converters: Break
) -> None:
    break_converters(fault)
    with pytest.raises(ConversionRejected):
        execute(tmp_path, name)


@every_format
def test_a_converter_without_a_fault_passes_the_same_way(name: str, tmp_path: Path, break_converters: Break) -> None:
    break_converters(is_honest)
    assert execute(tmp_path, name).files[0].rows_read_back == ROWS


def artifact(file: WrittenFile) -> ArtifactFile:
    return ArtifactFile(
        path=file.path,
        file_name=f"people.{file.extension}",
        media_type=file.media_type,
        format=file.format,
        size=file.size,
        sha256=file.sha256,
        row_count=file.row_count,
    )


@every_format
def test_a_stored_file_that_changed_is_never_sent_whole(name: str, tmp_path: Path) -> None:
    file = execute(tmp_path, name).files[0]
    stored, content = artifact(file), file.path.read_bytes()
    assert b"".join(pieces(stored, Control(), 1_000)) == content
    size = len(content)
    for damaged in (
        *(_flipped(content, place) for place in (0, 1, size // 3, size // 2, size - 2, size - 1)),
        content[:-1],
        content[: size // 2],
        b"",
        content + b"\n",
        content[1:] + content[:1],
    ):
        file.path.write_bytes(damaged)
        sent: list[bytes] = []
        with pytest.raises(DeliveryRefused, match="changed or damaged"):
            sent.extend(pieces(stored, Control(), 1_000))
        assert len(b"".join(sent)) < max(1, len(damaged))
    file.path.unlink()
    with pytest.raises(DeliveryRefused, match="is missing"):
        list(pieces(stored, Control()))


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
