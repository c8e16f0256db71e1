"""The form of every answer (DESIGN: section 7)."""

from __future__ import annotations

import functools
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, create_model

T = TypeVar("T")


class Named(BaseModel):
    """Generic models whose forms have names that generated clients can live with: `DatasourcePageEnvelope`."""

    @classmethod
    def __class_getitem__(cls, item: Any) -> Any:
        form: Any = super().__class_getitem__(item)
        if isinstance(item, TypeVar):
            return form
        return _named(form, f"{_name(item)}{cls.__name__}")


class Envelope(Named, Generic[T]):
    """A good answer."""

    status: Literal["success"] = "success"
    message: str = ""
    data: T


class FieldError(BaseModel):
    field: str = Field(description="Path of the field in the body, dots between steps.", examples=["parameters.month"])
    message: str


class ErrorEnvelope(BaseModel):
    """A refusal. `error` is a stable code, `message` is for people, `hint` says what to do."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "error",
                    "message": "connection_config.port: Input should be a valid integer",
                    "error": "VALIDATION_ERROR",
                    "hint": "GET /api/plugins describes the configuration of postgresql.",
                    "details": [{"field": "connection_config.port", "message": "Input should be a valid integer"}],
                    "request_id": "0c5a3e0f6f5f4f0f9d8f1f2a3b4c5d6e",
                }
            ]
        }
    )

    status: Literal["error"] = "error"
    message: str
    error: str
    hint: str | None = None
    details: list[FieldError] = []
    request_id: str = ""
    current_version: int | None = Field(None, description="With 409 and 412: the version that is stored.")
    line: int | None = Field(None, description="Where the query was refused, from 1.")
    column: int | None = Field(None, description="Where the query was refused, from 1.")


class Page(Named, Generic[T]):
    """One page of a list; `total` counts all that match the filters."""

    items: list[T]
    total: int
    limit: int
    offset: int


def success(data: Any, message: str = "") -> dict[str, Any]:
    """The envelope around `data`; the route's response model checks it."""
    return {"status": "success", "message": message, "data": data}


@functools.cache
def _named(form: type[BaseModel], name: str) -> type[BaseModel]:
    return create_model(name, __base__=form, __module__=form.__module__, __doc__=form.__doc__)


def _name(given: Any) -> str:
    if get_args(given):
        return "".join(map(_name, get_args(given))) + ("List" if get_origin(given) is list else "")
    return str(getattr(given, "__name__", given)).removesuffix("Out")
