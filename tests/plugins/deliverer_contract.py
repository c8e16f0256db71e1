"""What every deliverer must do. Subclass, give a `place`, and the tests run by themselves."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest

from shared.errors import AddressBlocked, Cancelled, DeliveryRefused, DeliveryUnavailable
from shared.network import NetworkPolicy
from shared.plugins import Address, ArtifactFile, Control, Deliverer, Parcel, load
from shared.templates import template_context

LOOPBACK = NetworkPolicy((ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")))
SECRET = "s3cr3t-Passw0rd"
BIG = bytes(range(256)) * 12_000
LOGICAL_TIME = datetime(2026, 1, 31, 7, 0, tzinfo=UTC)


class Place(Protocol):
    """A real counterpart of one deliverer."""

    def deliverer(self) -> Deliverer[Any]:
        """A deliverer that reaches it; every secret in its configuration is SECRET or holds it."""

    def files(self) -> dict[str, bytes]:
        """What has arrived there, by the name that people see."""

    def everything(self) -> Any:
        """All that is there, temporary and hidden things included, in a form that can be compared."""


class Stopping(Control):
    """Is cancelled by itself at the n-th look at the flag."""

    def __init__(self, looks: int) -> None:
        super().__init__(network=LOOPBACK)
        self._looks = looks

    def check(self) -> None:
        self._looks -= 1
        if self._looks == 0:
            self.cancel()
        super().check()


def control() -> Control:
    return Control(network=LOOPBACK)


def artifact(folder: Path, name: str = "sales.csv", content: bytes = b"id,name\n1,Z\xc3\xbcrich\n") -> ArtifactFile:
    path = folder / f"{hashlib.sha256(name.encode()).hexdigest()}.bin"
    path.write_bytes(content)
    return ArtifactFile(
        file_name=name,
        path=path,
        format=name.rpartition(".")[2],
        media_type="text/csv; charset=utf-8" if name.endswith(".csv") else "application/octet-stream",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        row_count=1,
    )


def parcel(*artifacts: ArtifactFile, key: str = "01JX5-7", **changes: Any) -> Parcel:
    recipient = Address("ann@example.org", "Ann Müller")
    values: dict[str, Any] = {
        "key": key,
        "attempt": 1,
        "execution_id": "01JX5",
        "report_name": "Monthly sales",
        "scheduled_for": LOGICAL_TIME,
        "timezone": "Europe/Zurich",
        "row_count": 1,
        "completeness": "COMPLETE",
        "artifacts": artifacts,
        "recipient": recipient,
        "recipients": (recipient,),
        "variables": template_context(
            report="Monthly sales",
            scheduled_for=LOGICAL_TIME,
            timezone="Europe/Zurich",
            execution_id="01JX5",
            rows=1,
            parameters={"region": "North/../South"},
        ),
    }
    return Parcel(**{**values, **changes})


class DelivererContract:
    """The fixture `place` gives a Place."""

    repeats: ClassVar[bool] = False
    """True where a second try arrives again under the same id (mail), and the receiver tells them apart."""

    def test_it_is_found_by_its_kind_without_loading_drivers(self, place: Place) -> None:
        deliverer = place.deliverer()
        assert load("deliverer", deliverer.kind) is type(deliverer)
        assert deliverer.missing_drivers() == []

    def test_every_field_has_a_title_and_a_description(self, place: Place) -> None:
        for name, field in type(place.deliverer().config).model_fields.items():
            assert field.title, name
            assert field.description, name

    def test_a_file_arrives_whole(self, place: Place, tmp_path: Path) -> None:
        sent = artifact(tmp_path, "sales.xlsx", BIG)
        receipt = place.deliverer().deliver(parcel(sent), control())
        assert {name: hashlib.sha256(content).hexdigest() for name, content in place.files().items()} == {
            "sales.xlsx": sent.sha256
        }
        assert receipt.message

    def test_an_empty_file_arrives(self, place: Place, tmp_path: Path) -> None:
        place.deliverer().deliver(parcel(artifact(tmp_path, "none.csv", b"")), control())
        assert place.files() == {"none.csv": b""}

    def test_several_artifacts_arrive_together(self, place: Place, tmp_path: Path) -> None:
        sent = [artifact(tmp_path, f"sales.{kind}", kind.encode() * 99) for kind in ("csv", "xlsx", "pdf")]
        place.deliverer().deliver(parcel(*sent), control())
        assert place.files() == {file.file_name: file.path.read_bytes() for file in sent}

    @pytest.mark.parametrize(
        "name", ["Umsätze Zürich.csv", "売上 2026.csv", "it's 100% #1 & more; ok=1+1.csv", "é😀.csv"]
    )
    def test_file_names_of_all_scripts_arrive(self, place: Place, tmp_path: Path, name: str) -> None:
        place.deliverer().deliver(parcel(artifact(tmp_path, name)), control())
        assert list(place.files()) == [name]

    def test_twice_with_one_key_is_once(self, place: Place, tmp_path: Path) -> None:
        sent = parcel(artifact(tmp_path), artifact(tmp_path, "big.xlsx", BIG))
        first = place.deliverer().deliver(sent, control())
        before = place.everything()
        second = place.deliverer().deliver(sent, control())
        if not self.repeats:
            assert second == first
        assert place.everything() == before

    def test_a_second_parcel_arrives_too(self, place: Place, tmp_path: Path) -> None:
        place.deliverer().deliver(parcel(artifact(tmp_path, "a.csv"), key="a-1"), control())
        place.deliverer().deliver(parcel(artifact(tmp_path, "b.csv"), key="b-1"), control())
        assert set(place.files()) == {"a.csv", "b.csv"}

    def test_a_damaged_artifact_is_not_sent(self, place: Place, tmp_path: Path) -> None:
        before = place.everything()
        sent = artifact(tmp_path, "sales.xlsx", BIG)
        sent.path.write_bytes(BIG[:-1] + b"!")
        with pytest.raises(DeliveryRefused, match="damaged"):
            place.deliverer().deliver(parcel(sent), control())
        assert place.everything() == before

    def test_a_cancelled_delivery_sends_nothing(self, place: Place, tmp_path: Path) -> None:
        before = place.everything()
        stopped = control()
        stopped.cancel()
        with pytest.raises(Cancelled):
            place.deliverer().deliver(parcel(artifact(tmp_path)), stopped)
        assert place.everything() == before

    def test_cancelling_at_any_moment_shows_no_half_file(self, place: Place, tmp_path: Path) -> None:
        sent = artifact(tmp_path, "sales.xlsx", BIG)
        for looks in range(1, 200):
            try:
                place.deliverer().deliver(parcel(sent), Stopping(looks))
            except Cancelled:
                assert place.files() in ({}, {"sales.xlsx": BIG})
            else:
                break
        assert place.files() == {"sales.xlsx": BIG}

    def test_target_has_no_secret(self, place: Place) -> None:
        assert place.deliverer().target()
        assert SECRET not in place.deliverer().target()

    def test_check_says_something_and_leaves_nothing(self, place: Place) -> None:
        before = place.everything()
        said = place.deliverer().check(control())
        assert said
        assert SECRET not in said
        assert place.everything() == before

    def test_a_cancelled_check_stops(self, place: Place) -> None:
        stopped = control()
        stopped.cancel()
        with pytest.raises(Cancelled):
            place.deliverer().check(stopped)

    def test_a_test_is_marked(self, place: Place, tmp_path: Path) -> None:
        place.deliverer().deliver(parcel(artifact(tmp_path), is_test=True), control())
        assert "test" in repr(place.everything()).lower()
        assert self.is_marked(place)

    def is_marked(self, place: Place) -> bool:
        return list(place.files()) == ["TEST_sales.csv"]

    def test_an_unreachable_place_is_unavailable(self, unreachable: Deliverer[Any], tmp_path: Path) -> None:
        with pytest.raises(DeliveryUnavailable) as caught:
            unreachable.deliver(parcel(artifact(tmp_path)), control())
        assert caught.value.hint
        with pytest.raises(DeliveryUnavailable):
            unreachable.check(control())


class ServerDelivererContract(DelivererContract):
    """For deliverers that open connections. The fixture `wrong_login` gives one whose secret is wrong."""

    def test_a_wrong_login_is_refused_without_the_secret(self, wrong_login: Deliverer[Any], tmp_path: Path) -> None:
        for attempt in (
            lambda: wrong_login.deliver(parcel(artifact(tmp_path)), control()),
            lambda: wrong_login.check(control()),
        ):
            with pytest.raises(DeliveryRefused) as caught:
                attempt()
            assert caught.value.hint
            assert SECRET not in caught.value.message + caught.value.hint

    def test_private_addresses_are_blocked_unless_allowed(self, place: Place, tmp_path: Path) -> None:
        before = place.everything()
        with pytest.raises(AddressBlocked):
            place.deliverer().deliver(parcel(artifact(tmp_path)), Control())
        with pytest.raises(AddressBlocked):
            place.deliverer().check(Control())
        assert place.everything() == before
