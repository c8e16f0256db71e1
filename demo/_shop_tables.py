"""The shop's tables, for SQLite, MySQL, MariaDB and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import SchemaItem

LAYOUT = 1
"""Goes up when tables or rows change, so that a shop made by an older version is made anew."""

# UTC. MySQL's DATETIME and SQLite's text keep no zone; PostgreSQL's type does.
_SQLITE = sqlite.DATETIME(truncate_microseconds=True)  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types
_MOMENT = DateTime(timezone=True).with_variant(_SQLITE, "sqlite")

METADATA = MetaData()


def _table(name: str, *items: SchemaItem) -> Table:
    return Table(name, METADATA, *items, mysql_charset="utf8mb4", mariadb_charset="utf8mb4")


INFO = _table(
    "shop_info",
    Column("layout", Integer, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("is_complete", Boolean, nullable=False),
)
CUSTOMERS = _table(
    "customers",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False),
    Column("language", String(2), nullable=False),
    Column("country", String(2), nullable=False),
    Column("time_zone", String(40), nullable=False),
    Column("email", String(200)),
    Column("phone", String(40)),
    Column("born_on", Date),
    Column("loyalty_number", BigInteger),
    Column("credit_limit", Numeric(12, 2)),
    Column("is_business", Boolean, nullable=False),
)
PRODUCTS = _table(
    "products",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("code", String(10), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("description", Text),
    Column("price", Numeric(10, 2), nullable=False),
    Column("weight_kg", Numeric(8, 3)),
    Column("stock", Integer, nullable=False),
    Column("attributes", JSON(none_as_null=True)),
    Column("is_active", Boolean, nullable=False),
)
ORDERS = _table(
    "orders",
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("customer_id", Integer, ForeignKey("customers.id"), nullable=False),
    Column("ordered_at", _MOMENT, nullable=False),
    Column("time_zone", String(40), nullable=False),
    Column("ordered_on", Date, nullable=False),
    Column("ordered_local", String(32), nullable=False),
    Column("shipped_at", _MOMENT),
    Column("status", String(10), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("total", Numeric(14, 3), nullable=False),
    Column("note", Text),
    Index("orders_by_day", "ordered_on"),
    Index("orders_by_customer", "customer_id", "ordered_on"),
)
ORDER_LINES = _table(
    "order_lines",
    Column("order_id", BigInteger, ForeignKey("orders.id"), primary_key=True, autoincrement=False),
    Column("line_number", Integer, primary_key=True, autoincrement=False),
    Column("product_id", Integer, ForeignKey("products.id"), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("unit_price", Numeric(14, 3), nullable=False),
    Column("amount", Numeric(14, 3), nullable=False),
)
