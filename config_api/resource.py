"""What all definitions have in common: list, get, create, replace, change, delete, with versions and audit entries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import ValidationError
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from config_api.changes import note_change
from config_api.removal import Removal
from config_api.versions import Expected
from shared.auth import Principal
from shared.db.models import Datasource, Delivery, Recipient, Report, Schedule
from shared.errors import Conflict, FieldProblem, InvalidInput, NotFound
from shared.stored_config import MASK
from shared.web import Page, ServiceContext, ordered
from shared.web.body import Body
from shared.web.errors import validation_error
from shared.web.listing import Listing

Row = Datasource | Report | Schedule | Delivery | Recipient
RowT = TypeVar("RowT", Datasource, Report, Schedule, Delivery, Recipient)
BodyT = TypeVar("BodyT", bound=Body)
OutT = TypeVar("OutT", bound="Shown")
_NAMED = 10
"""Users that a refused deletion names."""


class Shown(Protocol):
    """An answer: the row as people see it."""

    id: int
    version: int

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


class Resource(ABC, Generic[RowT, BodyT, OutT]):
    """The service of one kind of definition. Methods take who is asking and see only that tenant's rows.

    Attributes:
        word, plural: for messages and the audit log.
        row_type, body_type, out_type: table, body of POST and PUT, answer.
        sortable: fields that lists can be sorted by.
        nested: fields in which PATCH changes single keys instead of replacing the whole.
        unique: the field that no two rows may share, if there is one.
    """

    word: ClassVar[str]
    plural: ClassVar[str]
    row_type: type[RowT]
    body_type: type[BodyT]
    out_type: type[OutT]
    sortable: ClassVar[tuple[str, ...]] = ("id", "name", "created_at", "updated_at")
    nested: ClassVar[tuple[str, ...]] = ()
    unique: ClassVar[str] = "name"

    def __init__(self, context: ServiceContext) -> None:
        self.context = context
        self._database = context.database

    @abstractmethod
    def fill(self, session: Session, row: RowT, body: BodyT) -> None:
        """Check the body against everything it refers to, then write it into the row.

        Raises:
            InvalidInput: with the path of the field.
        """

    @abstractmethod
    def show(self, row: RowT) -> OutT:
        """The row as people see it."""

    def users(self, session: Session, row: RowT) -> list[str]:
        """What still uses the row, in words; it then cannot be deleted without `cascade`."""
        return []

    def delete_users(self, row: RowT, removal: Removal) -> None:
        """Delete what uses the row."""

    def page(self, asker: Principal, listing: Listing, conditions: Sequence[ColumnElement[bool]]) -> Page[Any]:
        with self._database.scoped(asker.tenant_id) as session:
            total = session.scalar(select(func.count()).select_from(self.row_type).where(*conditions)) or 0
            columns = {name: getattr(self.row_type, name) for name in self.sortable}
            statement = ordered(select(self.row_type).where(*conditions), listing, columns)
            items = [self.show(row) for row in session.scalars(statement)]
        return Page(items=items, total=total, limit=listing.limit, offset=listing.offset)

    def get(self, asker: Principal, row_id: int) -> OutT:
        with self._database.scoped(asker.tenant_id) as session:
            return self.show(self._row(session, row_id))

    def create(self, asker: Principal, body: BodyT) -> OutT:
        now = self.context.clock.now()
        try:
            with self._database.scoped(asker.tenant_id, is_write=True) as session:
                row = self.row_type(tenant_id=asker.tenant_id, created_at=now, updated_at=now)
                with session.no_autoflush:
                    self.fill(session, row, body)
                session.add(row)
                session.flush()
                shown = self.show(row)
                note_change(session, asker, "created", self.word, row.id, now=now, after=shown.model_dump(mode="json"))
        except IntegrityError as error:
            raise self._taken() from error
        return shown

    def replace(self, asker: Principal, row_id: int, body: BodyT, expected: Expected) -> OutT:
        def write(session: Session, row: RowT) -> None:
            self.fill(session, row, body)

        return self.update(asker, row_id, write, expected)

    def change(self, asker: Principal, row_id: int, changes: Body, expected: Expected) -> OutT:
        """Merge the given fields into the current definition; the whole is then checked as in `replace`."""
        given = changes.model_dump(mode="json", exclude_unset=True, exclude={"version"})

        def write(session: Session, row: RowT) -> None:
            current = self.as_body(row)
            self.fill(session, row, self._checked({**current, **self._merged(current, given)}))

        return self.update(asker, row_id, write, expected)

    def update(self, asker: Principal, row_id: int, write: Callable[[Session, RowT], None], expected: Expected) -> OutT:
        """Read, check the version, write, note: one transaction, so that nobody else's change is lost in between."""
        now = self.context.clock.now()
        try:
            with self._database.scoped(asker.tenant_id, is_write=True) as session:
                row = self._row(session, row_id, lock=True)
                expected.check(self.word, row.version)
                before = self.show(row).model_dump(mode="json")
                with session.no_autoflush:
                    write(session, row)
                row.updated_at = now
                session.flush()
                shown = self.show(row)
                after = shown.model_dump(mode="json")
                note_change(session, asker, "changed", self.word, row_id, now=now, before=before, after=after)
        except IntegrityError as error:
            raise self._taken() from error
        except StaleDataError as error:
            raise Conflict(f"Somebody else changed this {self.word} at the same moment.") from error
        return shown

    def delete(self, asker: Principal, row_id: int, *, cascade: bool, expected: Expected) -> None:
        """Raises Conflict when something still uses it and `cascade` is not set."""
        now = self.context.clock.now()
        with self._database.scoped(asker.tenant_id, is_write=True) as session:
            row = self._row(session, row_id, lock=True)
            expected.check(self.word, row.version)
            users = self.users(session, row)
            if users and not cascade:
                more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
                raise Conflict(
                    f"The {self.word} is still used by {', '.join(users[:_NAMED])}{more}.",
                    hint="Delete those first, or add ?cascade=true to delete them, too.",
                )
            before = self.show(row).model_dump(mode="json")
            self.delete_users(row, Removal(session, asker, now))
            session.delete(row)
            note_change(session, asker, "deleted", self.word, row_id, now=now, before=before)

    def as_body(self, row: RowT) -> dict[str, Any]:
        """The row in the form of a body, secrets masked."""
        shown = self.show(row).model_dump(mode="json")
        return {name: shown[name] for name in self.body_type.model_fields if name in shown and name != "version"}

    def _merged(self, current: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        """The given fields; in nested ones single keys are changed, and null removes a key (RFC 7396)."""
        nested = [name for name in self.nested if name in given]
        return given | {name: merge(current.get(name), given[name]) for name in nested}

    def _checked(self, merged: dict[str, Any]) -> BodyT:
        try:
            return self.body_type.model_validate(merged, strict=False)
        except ValidationError as error:
            raise validation_error(error.errors(include_input=False)) from None

    def _row(self, session: Session, row_id: int, *, lock: bool = False) -> RowT:
        statement = select(self.row_type).where(self.row_type.id == row_id)
        row = session.scalar(statement.with_for_update() if lock else statement)
        if row is None:
            raise NotFound(f"There is no {self.word} with this id.")
        return row

    def _taken(self) -> Conflict:
        message = f"There is another {self.word} with this {self.unique} already."
        return Conflict(message, details=[FieldProblem(self.unique, "is taken already")])


def merge(current: Any, given: Any) -> Any:
    """JSON Merge Patch (RFC 7396)."""
    if not isinstance(current, dict) or not isinstance(given, dict):
        return given
    # A secret that is missing is kept, so null has to arrive as null.
    told = {name: value for name, value in given.items() if value is not None or current.get(name) == MASK}
    merged = {name: merge(current.get(name), value) for name, value in told.items()}
    return {name: value for name, value in current.items() if name not in given} | merged


def required(session: Session, row_type: type[RowT], row_id: int, field: str, word: str) -> RowT:
    """The row that a field of a body refers to.

    Raises:
        InvalidInput: it does not exist (for this tenant).
    """
    row = session.scalar(select(row_type).where(row_type.id == row_id))
    if row is None:
        message = f"there is no {word} with this id"
        raise InvalidInput(f"{field}: {message}.", details=[FieldProblem(field, message)])
    return row
