"""Every awkward value comes out of its datasource as the documentation says, or is an error with row and column."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from shared.plugins import Connector
from tests.fidelity.cells import Same
from tests.fidelity.sources import Source
from tests.plugins.connector_contract import TypesContract


class TestDeclaredTypes(TypesContract):
    @pytest.fixture
    def typed(self, source: Source) -> tuple[Connector[Any], pa.Schema]:
        return source.connector, source.table.schema


def test_every_value_arrives_exactly(source: Source) -> None:
    wrong = []
    for held in source.columns:
        for expected, found in zip(held.arriving(), source.column(held).to_pylist(), strict=True):
            if not Same(expected).is_in(found):
                wrong.append(f"{held.type}: {expected!r:.80} became {found!r:.80}")
    assert wrong == []
