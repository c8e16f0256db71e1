"""The six routes that every kind of definition has."""

# No `from __future__ import annotations`: the types of bodies and answers are arguments of the function below.

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field, create_model
from sqlalchemy import ColumnElement

from config_api.resource import Resource
from shared.web import Envelope, ListQuery, Page, success
from shared.web.app import Asker
from shared.web.body import Body

RowId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Conditions = Sequence[ColumnElement[bool]]


class Deleted(BaseModel):
    id: int


def changes_of(body: type[Body]) -> type[Body]:
    """The body of PATCH: every field of `body`, none of them required."""
    fields: dict[str, Any] = {
        name: (field.annotation, Field(None, description=field.description, examples=field.examples))
        for name, field in body.model_fields.items()
    }
    for name, field in body.model_fields.items():
        if field.metadata:
            fields[name] = (Annotated[field.annotation, *field.metadata], fields[name][1])
    return create_model(f"{body.__name__}Changes", __base__=Body, **fields)


def add_routes(router: APIRouter, resource: Resource[Any, Any], filters: Callable[..., Conditions]) -> None:
    """Add list, create, get, replace, change and delete to a router whose prefix is the collection."""
    word, out = resource.word, resource.out_type
    changes_type = changes_of(resource.body_type)

    @router.get("", response_model=Envelope[Page[out]], summary=f"List {word}s", name="list")  # type: ignore[valid-type]
    def list_rows(
        asker: Asker, listing: ListQuery, conditions: Annotated[Conditions, Depends(filters)]
    ) -> dict[str, Any]:
        return success(resource.page(asker, listing, conditions))

    @router.post("", status_code=201, response_model=Envelope[out], summary=f"Create a {word}", name="create")
    def create(body: resource.body_type, asker: Asker) -> dict[str, Any]:  # type: ignore[name-defined]
        asker.require("editor")
        return success(resource.create(asker, body), f"The {word} was created.")

    @router.get("/{row_id}", response_model=Envelope[out], summary=f"Show a {word}", name="get")
    def get(row_id: RowId, asker: Asker) -> dict[str, Any]:
        return success(resource.get(asker, row_id))

    @router.put("/{row_id}", response_model=Envelope[out], summary=f"Replace a {word}", name="replace")
    def replace(row_id: RowId, body: resource.body_type, asker: Asker) -> dict[str, Any]:  # type: ignore[name-defined]
        asker.require("editor")
        return success(resource.replace(asker, row_id, body), f"The {word} was saved.")

    @router.patch("/{row_id}", response_model=Envelope[out], summary=f"Change fields of a {word}", name="change")
    def change(row_id: RowId, body: changes_type, asker: Asker) -> dict[str, Any]:  # type: ignore[valid-type]
        asker.require("editor")
        return success(resource.change(asker, row_id, body), f"The {word} was saved.")

    @router.delete("/{row_id}", response_model=Envelope[Deleted], summary=f"Delete a {word}", name="delete")
    def delete(
        row_id: RowId,
        asker: Asker,
        cascade: Annotated[bool, Query(description="Delete what uses it, too.")] = False,
        version: Annotated[int | None, Query(ge=1, description="Refused with 409 if it is old.")] = None,
    ) -> dict[str, Any]:
        asker.require("editor")
        resource.delete(asker, row_id, cascade=cascade, version=version)
        return success(Deleted(id=row_id), f"The {word} was deleted.")
