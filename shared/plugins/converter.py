"""The contract of a converter: Arrow record batches into one file of one format."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import pyarrow as pa

from shared.plugins.base import ConfigT, Plugin
from shared.plugins.control import Control


@dataclass(frozen=True, slots=True)
class ReportInfo:
    """What a file says about itself.

    Attributes:
        name: the report's name; a format's `title` option goes first.
        scheduled_for: the logical time (UTC).
        generated_at: when the execution started (UTC).
        timezone: IANA name of the zone in which people read this report's times.
        parameters: label → value, as resolved, for the title block.
        notes: sentences that belong into the file (for example *Capped at 10,000 rows*). Complete only once the
            batches are exhausted, so write them last.
        warnings: a converter adds what the owner should know (for example *3 characters have no glyph*).
    """

    name: str
    scheduled_for: datetime
    generated_at: datetime
    timezone: str = "UTC"
    execution_id: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


TYPE_FAMILIES = (
    "NULL",
    "empty text",
    "text",
    "boolean",
    "integer",
    "decimal",
    "decimal text",
    "float",
    "NaN and infinity",
    "date",
    "time",
    "timestamp",
    "timestamp with zone",
    "duration",
    "interval",
    "binary",
    "UUID",
    "list",
    "struct",
    "map",
    "dictionary",
    "other",
)
"""What a connector can give; `other` is every type that is not named (unions). See Converter.representations."""


class Converter(Plugin[ConfigT]):
    """Writes one file.

    Attributes:
        extension: file name ending without the dot; also the format's name in `formats` and `format_options`.
        media_type: IANA media type.
        representations: for each of TYPE_FAMILIES how its values stand in the file; the reference is made from it.
    """

    extension: ClassVar[str]
    media_type: ClassVar[str]
    representations: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def write(self, batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control) -> int:
        """Write all batches to `sink` (write-only, may not seek) with memory that does not grow with the rows.

        Returns:
            the number of data rows written.

        Raises:
            ConversionRejected: a value or size that the format cannot hold; row and column are named.
        """

    @abstractmethod
    def count_rows(self, path: Path, control: Control) -> int | None:
        """Read the finished file back, independently of `write`, and count its data rows; None where it cannot be told.

        Raises:
            ConversionRejected: the file is damaged.
        """
