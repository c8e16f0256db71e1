"""What a demo report asks: where, in which SQL, with which parameters, and how many rows must come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Source = Literal["flights_sqlite", "flights_duckdb", "shop"]
RowCount = int | Callable[[Mapping[str, Any]], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoQuery:
    """A query of the demo.

    Attributes:
        key: short name for files and scripts.
        name, description: what people read.
        parameters: as in the body of a report.
        example: values that show rows, as in the body of an execution.
        row_count: of the result for `example`; a function where it can be told for any values.
    """

    key: str
    name: str
    description: str
    source: Source
    sql: str
    parameters: tuple[Mapping[str, Any], ...] = ()
    example: Mapping[str, Any] = field(default_factory=dict)
    row_count: RowCount

    def expected_rows(self, values: Mapping[str, Any]) -> int | None:
        """How many rows must come for resolved parameters (dates as dates or as ISO text); None where it is only known
        for the example."""
        if not isinstance(self.row_count, int):
            return self.row_count(values)
        is_example = all(str(values.get(name)) == str(value) for name, value in self.example.items())
        return self.row_count if is_example else None
