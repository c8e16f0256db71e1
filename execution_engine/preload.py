"""Imported once by the fork server: plug-ins, drivers and what they load on first use, so that workers start warm."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, get_args

import pyarrow as pa

from shared.plugins import Control, Converter, Family, ReportInfo, load, plugins
from shared.sql import check_sql


def load_all() -> None:
    """Import all plug-ins and their drivers; one that is not installed is reported when it is used."""
    for family in get_args(Family):
        for plugin in plugins(family).values():
            for driver in plugin.drivers:
                with contextlib.suppress(ImportError):
                    importlib.import_module(driver)


class _Hidden:
    """An import finder that finds one module nowhere."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == self._name:
            raise ModuleNotFoundError(f"{name} is hidden for a moment", name=name)


@contextlib.contextmanager
def _hidden(name: str) -> Iterator[None]:
    finder = _Hidden(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def keep_pandas_out() -> None:
    """pyarrow looks once, at its first array, for pandas: a second and 50 MB. A plug-in may still import it."""
    with _hidden("pandas"):
        pa.array([""])


def warm_up() -> None:
    """Read a statement of each dialect and write a row in each format: the first time costs up to a second."""
    for kind in plugins("connector"):
        dialect = load("connector", kind).capabilities.dialect
        if dialect is not None:
            check_sql("SELECT a FROM t WHERE b = :c", dialect)
    for kind in plugins("converter"):
        with contextlib.suppress(Exception):  # a format that cannot be written says so when it is asked for
            _write_one_row(load("converter", kind))


def _write_one_row(plugin: type[Converter[Any]]) -> None:
    now = datetime.now(UTC)
    values: dict[str, Any] = {"a": "x", "b": 1, "c": Decimal("1.5"), "d": now, "e": date(2026, 1, 1), "f": 1.5}
    batch = pa.RecordBatch.from_pylist([values])
    reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
    plugin(plugin.config_model()).write(reader, io.BytesIO(), ReportInfo("warm-up", now, now), Control())


keep_pandas_out()
load_all()
warm_up()
