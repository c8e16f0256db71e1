"""CSV and Parquet files as datasources: what is written there comes back, nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.duckdb import DuckdbConfig, DuckdbConnector
from shared.errors import SourceRejected
from shared.plugins import Query
from tests.fidelity.sources import Source
from tests.plugins.connector_contract import control, rows

AS_WRITTEN = {
    "leading_zeros": ["00123", "00456"],
    "digits": ["12345678901234567.89", "0.10"],
    "large": ["9223372036854775808", "1"],
    "day_or_month": ["01/02/2024", "02/03/2024"],
    "moment": ["2024-01-02 10:00:00.123456789", "2024-01-02 10:00:00"],
    "truth": ["true", "t"],
    "exponent": ["1e5", "2e5"],
    "null": ["NULL", "\\N"],
    "nan": ["nan", "inf"],
}


@pytest.mark.parametrize("values", AS_WRITTEN.values(), ids=AS_WRITTEN)
def test_values_of_csv_files_come_as_they_are_written(values: list[str], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,v\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values)))
    connector = DuckdbConnector(DuckdbConfig(path=str(tmp_path / "t.csv")))
    assert [row["v"] for row in rows(connector, "SELECT v FROM t ORDER BY id")] == values


def test_whole_numbers_and_dates_of_csv_files_have_their_types(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f'n,d,e\n{2**63 - 1},2024-02-29,\n-5,,""\n')
    connector = DuckdbConnector(DuckdbConfig(path=str(tmp_path / "t.csv")))
    assert rows(connector, "SELECT * FROM t ORDER BY n DESC") == [
        {"n": 2**63 - 1, "d": date(2024, 2, 29), "e": None},
        {"n": -5, "d": None, "e": ""},
    ]


def test_a_later_value_of_another_type_is_an_error_with_its_line(tmp_path: Path) -> None:
    lines = ["n", *map(str, range(100_000)), "x"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    connector = DuckdbConnector(DuckdbConfig(path=str(tmp_path / "t.csv")))
    with pytest.raises(SourceRejected) as refused:
        rows(connector, "SELECT n FROM t")
    assert "100002" in str(refused.value.hint)


def test_parquet_files_give_back_what_is_in_them(sources: Callable[[str], Source], tmp_path: Path) -> None:
    table = sources("duckdb").table
    kept = [name for name in table.schema.names if name not in ("INTERVAL", "TIMESTAMP_S")]  # Parquet has neither
    table = table.select(kept)
    pq.write_table(table, tmp_path / "t.parquet")
    with DuckdbConnector(DuckdbConfig(path=str(tmp_path / "t.parquet"))).stream(
        Query("SELECT * FROM t"), control()
    ) as reader:
        found = reader.read_all()
    for field, column in zip(table.schema, found.columns, strict=True):
        assert str(column.to_pylist()) == str(table.column(field.name).to_pylist()), field.name


def test_decimals_that_duckdb_would_round_are_refused(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"n": [1], "sum": pa.array([Decimal("1.5")], pa.decimal256(60, 2))}), tmp_path / "t.parquet"
    )
    with pytest.raises(SourceRejected, match="Column sum of the Parquet file"):
        rows(DuckdbConnector(DuckdbConfig(path=str(tmp_path / "t.parquet"))), "SELECT n FROM t")
