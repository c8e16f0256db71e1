"""What the demo reports on its data, by key. `expected_rows` says how many rows must arrive."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from demo._flight_queries import FLIGHT_QUERIES
from demo._query import DemoQuery, Source
from demo._shop_queries import SHOP_QUERIES

QUERIES: Mapping[str, DemoQuery] = MappingProxyType({query.key: query for query in (*FLIGHT_QUERIES, *SHOP_QUERIES)})

__all__ = ["QUERIES", "DemoQuery", "Source"]
