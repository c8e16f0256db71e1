"""Values on their way to MongoDB: parameters, and the literals that a query writes as Extended JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, DecimalException
from typing import Any

from connectors._mongodb_words import LITERALS
from shared.errors import SourceRejected
from shared.plugins import Query


def bound(name: str, query: Query) -> Any:
    """The value of a parameter as pymongo wants it."""
    if name not in query.params:
        raise SourceRejected(
            f"The query uses {name}, which has no value.", hint="Declare it among the report's parameters."
        )
    value = query.params[name]
    if isinstance(value, (list, tuple)):
        if not value:
            raise SourceRejected(f"The list {name} is empty, so it cannot stand in the query.")
        return [_bson_value(name, item) for item in value]
    return _bson_value(name, value)


def _bson_value(name: str, value: Any) -> Any:
    from bson import Decimal128

    if isinstance(value, Decimal):
        try:
            return Decimal128(value)
        except DecimalException as error:
            raise SourceRejected(f"The parameter {name} has more than 34 digits.", hint="MongoDB holds 34.") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value


def to_bson(part: Any) -> Any:
    """Extended JSON in the query (`{"$oid": …}`) as the values that it stands for."""
    from bson import json_util
    from bson.errors import BSONError

    if isinstance(part, (list, tuple)):
        return [to_bson(item) for item in part]
    if not isinstance(part, dict):
        return part
    if len(part) == 1 and LITERALS.issuperset(part):
        try:
            return json_util.object_hook(part, json_util.CANONICAL_JSON_OPTIONS)
        except (BSONError, ValueError, TypeError, KeyError) as error:
            raise SourceRejected(
                f"The value after {next(iter(part))} in the query is not one.", hint=str(error)
            ) from error
    return {key: to_bson(value) for key, value in part.items()}
