"""Rules of recipients."""

from __future__ import annotations

from sqlalchemy.orm import Session

from config_api.recipients.schemas import RecipientBody, RecipientOut
from config_api.resource import Resource, required
from shared.db.models import Delivery, Recipient
from shared.errors import FieldProblem, InvalidInput
from shared.plugins import load


class Recipients(Resource[Recipient, RecipientBody, RecipientOut]):
    word, plural, unique = "recipient", "recipients", "address"
    row_type = Recipient
    body_type = RecipientBody
    out_type = RecipientOut
    sortable = ("id", "name", "address", "delivery_id", "created_at", "updated_at")
    nested = ("filter",)

    def fill(self, session: Session, row: Recipient, body: RecipientBody) -> None:
        delivery = required(session, Delivery, body.delivery_id, "delivery_id", "delivery")
        row.address = _address(delivery, body.address)
        for name in ("delivery_id", "name", "kind", "filter", "is_active"):
            setattr(row, name, getattr(body, name))

    def show(self, row: Recipient) -> RecipientOut:
        return RecipientOut.model_validate(row, from_attributes=True)


def _address(delivery: Delivery, address: str) -> str:
    deliverer = load("deliverer", delivery.method)
    if not deliverer.is_addressed:
        message = f"a delivery by {delivery.method} goes to the place in its configuration and has no recipients"
        raise InvalidInput(f"delivery_id: {message}.", details=[FieldProblem("delivery_id", message)])
    try:
        return deliverer.clean_address(address)
    except ValueError as error:
        raise InvalidInput(f"address: {error}", details=[FieldProblem("address", str(error))]) from None
