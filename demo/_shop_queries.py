"""Reports on the shop, in SQL that SQLite, MySQL, MariaDB and PostgreSQL all understand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from demo._query import DemoQuery
from demo._shop_rows import customers, products
from demo.shop import Totals, totals

_MONTH: tuple[Mapping[str, Any], ...] = (
    {"name": "first_day", "type": "date", "default": "start_of_month-1", "required": True, "label": "From"},
    {"name": "last_day", "type": "date", "default": "end_of_month-1", "required": True, "label": "To, included"},
)
_OCTOBER = {"first_day": "2026-10-01", "last_day": "2026-10-31"}


def _totals(values: Mapping[str, Any]) -> Totals:
    first, last = (date.fromisoformat(str(values[name])) for name in ("first_day", "last_day"))
    return totals(first, last)


def _below(limit: int) -> int:
    return sum(product["is_active"] and product["stock"] < limit for product in products())


_ORDERS_OF_LAST_MONTH = DemoQuery(
    key="orders_of_last_month",
    name="Orders of last month",
    description="Exact money in nine currencies, the customer's local time beside UTC on nights when clocks change, "
    "notes that are NULL, empty, formulas or two lines: every value arrives as it is.",
    source="shop",
    sql="""\
SELECT o.id, o.ordered_on, o.ordered_local, o.ordered_at, o.time_zone, c.name AS customer, c.country,
       o.status, o.currency, o.total,
       (SELECT count(*) FROM order_lines l WHERE l.order_id = o.id) AS line_count,
       o.shipped_at, o.note
FROM orders o
JOIN customers c ON c.id = o.customer_id
WHERE o.ordered_on BETWEEN :first_day AND :last_day
ORDER BY o.ordered_at, o.id
""",
    parameters=_MONTH,
    example=_OCTOBER,
    row_count=lambda values: _totals(values).order_count,
)

_REVENUE_BY_CURRENCY = DemoQuery(
    key="revenue_by_currency",
    name="Revenue by currency",
    description="Last month's orders, refunds and revenue in each currency, never added up across currencies.",
    source="shop",
    # SQLite sums in floating point; rounding gives the exact amount back, the cast gives the others their scale.
    sql="""\
SELECT o.currency, count(*) AS orders, count(CASE WHEN o.status = 'refunded' THEN 1 END) AS refunds,
       CAST(round(sum(o.total), 3) AS DECIMAL(18, 3)) AS revenue
FROM orders o
WHERE o.ordered_on BETWEEN :first_day AND :last_day
GROUP BY o.currency
ORDER BY o.currency
""",
    parameters=_MONTH,
    example=_OCTOBER,
    row_count=lambda values: len(_totals(values).money),
)

_ORDER_LINES = DemoQuery(
    key="order_lines",
    name="Order lines",
    description="The extract that finance asks for: each line of last month's orders with product code, quantity, "
    "price and amount, codes with their leading zeros.",
    source="shop",
    sql="""\
SELECT o.id AS order_id, l.line_number, o.ordered_on, o.currency, p.code, p.name AS product,
       l.quantity, l.unit_price, l.amount
FROM orders o
JOIN order_lines l ON l.order_id = o.id
JOIN products p ON p.id = l.product_id
WHERE o.ordered_on BETWEEN :first_day AND :last_day
ORDER BY o.id, l.line_number
""",
    parameters=_MONTH,
    example=_OCTOBER,
    row_count=lambda values: _totals(values).line_count,
)

_CUSTOMERS = DemoQuery(
    key="customers",
    name="Customers",
    # max() would be text in SQLite, where only columns have types.
    description="Names in Latin, Greek, Cyrillic, Arabic, Hebrew, Japanese, Chinese and Devanagari script, emoji, "
    "apostrophes, numbers beyond what spreadsheets can count, birthdays before 1900.",
    source="shop",
    sql="""\
SELECT c.id, c.name, c.language, c.country, c.time_zone, c.email, c.phone, c.born_on, c.loyalty_number,
       c.credit_limit, c.is_business,
       (SELECT o.ordered_on FROM orders o WHERE o.customer_id = c.id ORDER BY o.ordered_on DESC LIMIT 1) AS last_order
FROM customers c
ORDER BY c.id
""",
    row_count=lambda _: len(customers()),
)

_PRICE_LIST = DemoQuery(
    key="price_list",
    name="Price list",
    description="Products whose names try to be formulas, numbers, dates, markup or SQL, and stay text.",
    source="shop",
    sql="""\
SELECT p.code, p.name, p.description, p.price, p.weight_kg, p.stock, p.attributes, p.is_active
FROM products p
ORDER BY p.id
""",
    row_count=lambda _: len(products()),
)

_STOCK_BELOW = DemoQuery(
    key="stock_below",
    name="Stock below a limit",
    description="What has to be ordered again now: small, quick, and worth a mail only when there are rows.",
    source="shop",
    sql="""\
SELECT p.code, p.name, p.stock, p.price
FROM products p
WHERE p.is_active AND p.stock < :minimum
ORDER BY p.stock, p.code
""",
    parameters=({"name": "minimum", "type": "integer", "default": 1, "required": True, "label": "Less than"},),
    example={"minimum": 1},
    row_count=lambda values: _below(int(values["minimum"])),
)

_ORDERS_THAT_DO_NOT_ADD_UP = DemoQuery(
    key="orders_that_do_not_add_up",
    name="Orders that do not add up",
    description="A control that must find nothing: orders whose total differs from the sum of their lines.",
    source="shop",
    sql="""\
SELECT o.id, o.currency, o.total, CAST(coalesce(l.amount, 0) AS DECIMAL(14, 3)) AS lines_amount
FROM orders o
LEFT JOIN (SELECT order_id, sum(amount) AS amount FROM order_lines GROUP BY order_id) l ON l.order_id = o.id
WHERE abs(o.total - coalesce(l.amount, 0)) > 0.0005
ORDER BY o.id
""",
    row_count=0,
)

SHOP_QUERIES = (
    _ORDERS_OF_LAST_MONTH,
    _REVENUE_BY_CURRENCY,
    _ORDER_LINES,
    _CUSTOMERS,
    _PRICE_LIST,
    _STOCK_BELOW,
    _ORDERS_THAT_DO_NOT_ADD_UP,
)
