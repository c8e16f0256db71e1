"""The contract of a deliverer: one try to bring one parcel to one place."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from shared.plugins.base import ConfigT, Plugin
from shared.plugins.control import Control


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """A finished file, local and readable.

    Attributes:
        file_name: clean name for people, unique within its parcel.
        sha256: lower-case hex of the whole file.
        size: bytes.
        row_count: data rows.
    """

    file_name: str
    path: Path
    format: str
    media_type: str
    size: int
    sha256: str
    row_count: int


@dataclass(frozen=True, slots=True)
class Address:
    """One recipient. `kind` is to, cc or bcc."""

    address: str
    name: str = ""
    kind: str = "to"


@dataclass(frozen=True, slots=True)
class Parcel:
    """All that one attempt needs.

    Attributes:
        key: stable over all attempts of the same delivery task (`<execution_id>-<task_id>`): Message-ID,
            Idempotency-Key, temporary file names and object metadata are made from it.
        attempt: 1 for the first.
        recipient: for addressed deliverers the one who gets this message.
        recipients: all recipients of the delivery, for the To and Cc headers (bcc are never shown).
        completeness: COMPLETE or CAPPED.
        is_test: a message that a person asked for; marked as such.
        variables: values for templates (report, logical time, parameters …), names as in file name templates.
    """

    key: str
    attempt: int
    execution_id: str
    report_name: str
    scheduled_for: datetime
    timezone: str
    row_count: int
    completeness: str
    artifacts: tuple[ArtifactFile, ...]
    recipient: Address | None = None
    recipients: tuple[Address, ...] = ()
    notes: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of arrival. `message` is the target's own words (SMTP reply, remote path and size, HTTP status)."""

    message: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class Deliverer(Plugin[ConfigT]):
    """Brings parcels to one kind of place. No retry loop: the engine decides.

    Attributes:
        is_addressed: True where each recipient gets a message of their own (mail); False where the
            configuration is the place (folder, bucket, URL).
    """

    is_addressed: ClassVar[bool] = False

    @classmethod
    def clean_address(cls, address: str) -> str:
        """The address of a recipient in its normal form, checked when it is saved; for addressed deliverers.

        Raises:
            ValueError: with a sentence that says what is wrong; it does not repeat the address.
        """
        return address.strip()

    @abstractmethod
    def target(self) -> str:
        """Where it goes, for people and logs, without secrets: `sftp://files.example.com/in`."""

    @abstractmethod
    def check(self, control: Control) -> str:
        """Reach the place and log in, leave nothing there; return the target's own words."""

    @abstractmethod
    def deliver(self, parcel: Parcel, control: Control) -> Receipt:
        """One try. After it returns, everything has arrived whole; a second call with the same key changes nothing.

        Raises:
            DeliveryRefused: trying again will not help.
            DeliveryUnavailable: it may work later.
            DeliveryUnknown: it may have arrived.
        """
