"""A MongoDB query of a report: one JSON document, proved to only read, with its parameters put in as values.

    {"collection": "orders", "filter": {"day": {"$gte": {"$param": "since"}}}, "projection": …, "sort": …, "limit": …}
    {"collection": "orders", "pipeline": [{"$match": …}, {"$group": …}]}

`{"$param": "name"}` may stand wherever a value may. In conditions the value itself takes its place; in expressions it
is wrapped in `$literal`, because there a text that begins with `$` would be read as a field.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from connectors._mongodb_guard import Bind
from connectors._mongodb_regex import refusal
from connectors._mongodb_stages import PipelineGuard
from connectors._mongodb_types import DeclaredColumn
from shared.errors import QueryRefused

_MAX_TEXT = 200_000


class _Collation(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    locale: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_@=-]{0,63}$")]
    strength: Annotated[int, Field(ge=1, le=5)] | None = None
    case_level: bool | None = Field(None, alias="caseLevel")
    numeric_ordering: bool | None = Field(None, alias="numericOrdering")


class QueryDocument(BaseModel):
    """What may be written in the query; `find` and `aggregate` are other words for `filter` and `pipeline`."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    collection: str
    filter: dict[str, Any] | None = Field(None, validation_alias=AliasChoices("filter", "find"))
    projection: dict[str, Any] | None = None
    sort: dict[str, Any] | None = None
    skip: Any = None
    limit: Any = None
    pipeline: list[Any] | None = Field(None, validation_alias=AliasChoices("pipeline", "aggregate"))
    collation: _Collation | None = None
    columns: list[DeclaredColumn] | None = Field(None, min_length=1, max_length=1000)
    sample: int | None = Field(None, ge=1, le=10_000)
    documents: Literal["flatten", "json"] = "flatten"


@dataclass(frozen=True, slots=True)
class MongoQuery:
    """Ready to send. `parameters` are the names that it uses.

    Attributes:
        find: arguments of find, or None.
        pipeline: stages of an aggregation, or None.
        written: what else the query says: columns, sample, documents.
    """

    collection: str
    find: dict[str, Any] | None
    pipeline: list[Any] | None
    collation: dict[str, Any] | None
    written: QueryDocument
    parameters: frozenset[str]


def read_query(text: str, bind: Bind | None = None) -> MongoQuery:
    """Check the query and put the parameters in.

    Args:
        bind: gives the value of a parameter; None when the query is only checked.

    Raises:
        QueryRefused: it is no JSON of this form, or says something that is not known to only read.
        SourceRejected: from `bind`.
    """
    document = _document(text)
    guard = PipelineGuard(bind)
    collection = guard.collection(document.collection, "collection")
    if document.pipeline is not None:
        for name in ("filter", "projection", "sort", "skip", "limit"):
            if getattr(document, name) is not None:
                raise refusal(f"{name} and pipeline exclude each other; write a stage instead")
        find, pipeline = None, guard.pipeline(document.pipeline, "pipeline")
    else:
        find, pipeline = _find(document, guard), None
    collation = document.collation.model_dump(by_alias=True, exclude_none=True) if document.collation else None
    return MongoQuery(collection, find, pipeline, collation, document, frozenset(guard.parameters))


def _find(document: QueryDocument, guard: PipelineGuard) -> dict[str, Any]:
    found: dict[str, Any] = {"filter": guard.query(document.filter or {}, "filter")}
    if document.projection is not None:
        found["projection"] = guard.projection(document.projection, "projection")
    if document.sort is not None:
        found["sort"] = list(guard.sort(document.sort, "sort").items())
    for name in ("skip", "limit"):
        if getattr(document, name) is not None:
            found[name] = guard.count(getattr(document, name), name)
    return found


def _document(text: str) -> QueryDocument:
    if len(text) > _MAX_TEXT:
        raise refusal(f"it is longer than {_MAX_TEXT:,} characters")
    try:
        written = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        if not isinstance(written, dict):
            raise refusal("it must be an object")
        return QueryDocument.model_validate(written)
    except json.JSONDecodeError as error:
        raise QueryRefused(
            f"The query was refused: it is not JSON ({error.msg}).",
            hint='A query is a JSON document: {"collection": …, "filter": …} or {"collection": …, "pipeline": …}.',
            line=error.lineno,
            column=error.colno,
        ) from error
    except RecursionError:
        raise refusal("it is nested too deeply") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise refusal(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that is there twice would silently lose the first value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise refusal(f"{next(key for key in keys if keys.count(key) > 1)} is written twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise refusal(f"{name} is no JSON number")
