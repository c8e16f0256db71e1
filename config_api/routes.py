"""The six routes that every kind of definition has."""

# No `from __future__ import annotations`: the types of bodies and answers are arguments of the function below.

from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field, create_model
from sqlalchemy import ColumnElement

from config_api.resource import Resource
from config_api.versions import Expected, IfMatch, tagged
from shared.web import Envelope, ListQuery, Page, success
from shared.web.app import Asker
from shared.web.body import Body

RowId = Annotated[int, Path(alias="id", ge=1, le=2**63 - 1)]
Conditions = Sequence[ColumnElement[bool]]


class Deleted(BaseModel):
    id: int


def changes_of(body: type[Body], nested: Collection[str], example: dict[str, Any]) -> type[Body]:
    """The body of PATCH: every field of `body`, none of them required; in nested ones null removes a key."""
    fields: dict[str, Any] = {}
    for name, field in body.model_fields.items():
        annotation: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        if name in nested:
            annotation = dict[str, Any]
        fields[name] = (annotation, Field(None, description=field.description, examples=field.examples))
    changes = create_model(f"{body.__name__.removesuffix('Body')}Changes", __base__=Body, **fields)
    changes.model_config["json_schema_extra"] = {"examples": [example]}
    return changes


def add_routes(
    router: APIRouter,
    resource: Resource[Any, Any, Any],
    filters: Callable[..., Conditions],
    *,
    change_example: dict[str, Any],
) -> None:
    """Add list, create, get, replace, change and delete to a router whose prefix is the collection."""
    word = resource.word
    body_type: Any = resource.body_type
    changes_type: Any = changes_of(resource.body_type, resource.nested, change_example)
    envelope: Any = Envelope
    page: Any = Page
    one, many = envelope[resource.out_type], envelope[page[resource.out_type]]

    @router.get("", response_model=many, summary=f"List {resource.plural}", name="list")
    def list_rows(
        asker: Asker, listing: ListQuery, conditions: Annotated[Conditions, Depends(filters)]
    ) -> dict[str, Any]:
        return success(resource.page(asker, listing, conditions))

    @router.post("", status_code=201, response_model=one, summary=f"Create a {word}", name="create")
    def create(body: body_type, asker: Asker, response: Response) -> dict[str, Any]:
        asker.require("editor")
        shown = resource.create(asker, body)
        tagged(response, shown.version)
        response.headers["Location"] = f"{router.prefix}/{shown.id}"
        return success(shown, f"The {word} was created.")

    @router.get("/{id}", response_model=one, summary=f"Show a {word}", name="get")
    def get(row_id: RowId, asker: Asker, response: Response) -> dict[str, Any]:
        shown = resource.get(asker, row_id)
        tagged(response, shown.version)
        return success(shown)

    @router.put("/{id}", response_model=one, summary=f"Replace a {word}", name="replace")
    def replace(row_id: RowId, body: body_type, asker: Asker, tags: IfMatch, response: Response) -> dict[str, Any]:
        asker.require("editor")
        shown = resource.replace(asker, row_id, body, Expected(body.version, tags))
        tagged(response, shown.version)
        return success(shown, f"The {word} was saved.")

    @router.patch("/{id}", response_model=one, summary=f"Change fields of a {word}", name="change")
    def change(row_id: RowId, body: changes_type, asker: Asker, tags: IfMatch, response: Response) -> dict[str, Any]:
        asker.require("editor")
        shown = resource.change(asker, row_id, body, Expected(body.version, tags))
        tagged(response, shown.version)
        return success(shown, f"The {word} was saved.")

    @router.delete("/{id}", response_model=Envelope[Deleted], summary=f"Delete a {word}", name="delete")
    def delete(
        row_id: RowId,
        asker: Asker,
        tags: IfMatch,
        cascade: Annotated[bool, Query(description="Delete what uses it, too.")] = False,
        version: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Refused with 409 if it is old.")] = None,
    ) -> dict[str, Any]:
        asker.require("editor")
        resource.delete(asker, row_id, cascade=cascade, expected=Expected(version, tags))
        return success(Deleted(id=row_id), f"The {word} was deleted.")
