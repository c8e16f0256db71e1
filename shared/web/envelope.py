"""The form of every answer (DESIGN: section 7)."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Envelope(BaseModel, Generic[T]):
    """A good answer."""

    status: Literal["success"] = "success"
    message: str = ""
    data: T


class FieldError(BaseModel):
    field: str = Field(description="Path of the field in the body, dots between steps.", examples=["parameters.month"])
    message: str


class ErrorEnvelope(BaseModel):
    """A refusal. `error` is a stable code, `message` is for people, `hint` says what to do."""

    model_config = ConfigDict(extra="allow")

    status: Literal["error"] = "error"
    message: str
    error: str
    hint: str | None = None
    details: list[FieldError] = []
    request_id: str = ""


class Page(BaseModel, Generic[T]):
    """One page of a list; `total` counts all that match the filters."""

    items: list[T]
    total: int
    limit: int
    offset: int


def success(data: Any, message: str = "") -> dict[str, Any]:
    """The envelope around `data`; the route's response model checks it."""
    return {"status": "success", "message": message, "data": data}
