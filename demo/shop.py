"""A generated shop with values that break careless reports: ten languages, exact money in nine currencies, clocks that
change, numbers that are texts, formulas that are names, NULL beside the empty text.

Each day is drawn from its own seed, so "orders of October" are the same rows on every machine and on every later day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, func, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from demo._files import alone, replacing
from demo._shop_rows import customers, orders, products
from demo._shop_tables import CUSTOMERS, INFO, LAYOUT, METADATA, ORDER_LINES, ORDERS, PRODUCTS
from shared.db.database import Database
from shared.errors import Conflict

MONTHS = 24
_TABLES = (CUSTOMERS, PRODUCTS, ORDERS, ORDER_LINES)
_ORDERS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Shop:
    """What the shop holds. `is_new` tells whether it had to be made."""

    first_day: date
    last_day: date
    counts: Mapping[str, int]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Totals:
    """What orders of some days add up to; `money` by currency."""

    order_count: int
    line_count: int
    money: Mapping[str, Decimal]


def load_shop(path: Path, today: date, months: int = MONTHS) -> Shop:
    """The shop as a SQLite file, from the first day of the month `months` ago to today. A file that already holds
    exactly these days is kept."""
    first, last = _days(today, months)
    with alone(path.parent):
        if path.is_file():
            with _file(path) as engine:
                kept = _kept(engine, first, last)
            if kept is not None:
                return kept
        with replacing(path) as part, _file(part) as engine:
            return _make(engine, first, last)


def load_shop_into(url: str, today: date, months: int = MONTHS) -> Shop:
    """The same tables in the database of a SQLAlchemy URL.

    Raises:
        Conflict: the database has tables of these names that are not the shop's.
    """
    first, last = _days(today, months)
    database = Database(url, pool_size=1)
    try:
        kept = _kept(database.engine, first, last)
        return kept or _make(database.engine, first, last)
    finally:
        database.close()


def totals(first: date, last: date) -> Totals:
    """What every shop must add up to for these days of `ordered_on`, without looking into one."""
    order_count = line_count = 0
    money: dict[str, Decimal] = {}
    for order, lines in orders(first, last):
        order_count += 1
        line_count += len(lines)
        money[order["currency"]] = money.get(order["currency"], Decimal(0)) + order["total"]
    return Totals(order_count, line_count, dict(sorted(money.items())))


def _days(today: date, months: int) -> tuple[date, date]:
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    return date(year, month + 1, 1), today


@contextmanager
def _file(path: Path) -> Iterator[Engine]:
    # No pool: the file is renamed when all its connections are closed.
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    try:
        yield engine
    finally:
        engine.dispose()


def _kept(engine: Engine, first: date, last: date) -> Shop | None:
    """The shop that is there, if it is whole and holds exactly these days."""
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(INFO.name):
                return None
            if [tuple(row) for row in connection.execute(select(INFO))] != [(LAYOUT, first, last, True)]:
                return None
            return Shop(first, last, _counts(connection), is_new=False)
    except DBAPIError:
        if engine.dialect.name == "sqlite":
            return None  # a damaged file is made anew
        raise


def _make(engine: Engine, first: date, last: date) -> Shop:
    with engine.begin() as connection:
        _refuse_strangers(connection)
        METADATA.drop_all(connection)
        METADATA.create_all(connection)
        info = {"layout": LAYOUT, "first_day": first, "last_day": last}
        connection.execute(INFO.insert(), {**info, "is_complete": False})
    with engine.begin() as connection:
        connection.execute(CUSTOMERS.insert(), list(customers()))
        connection.execute(PRODUCTS.insert(), list(products()))
        drawn = orders(first, last)
        while part := list(islice(drawn, _ORDERS_AT_ONCE)):
            connection.execute(ORDERS.insert(), [order for order, _ in part])
            connection.execute(ORDER_LINES.insert(), [line for _, lines in part for line in lines])
        connection.execute(INFO.update().values(is_complete=True))
        return Shop(first, last, _counts(connection), is_new=True)


def _refuse_strangers(connection: Connection) -> None:
    """Tables of the shop's names are only dropped where the shop's own mark stands beside them."""
    there = set(inspect(connection).get_table_names())
    taken = sorted(there & {table.name for table in _TABLES})
    if taken and INFO.name not in there:
        raise Conflict(
            f"The database already has tables named {', '.join(taken)}, which are not the demo's.",
            hint="Give the demo an empty database.",
        )


def _counts(connection: Connection) -> dict[str, int]:
    return {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in _TABLES}
