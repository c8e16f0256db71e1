"""Sets the demo's stage: its data, its mail server, the services."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cli.service_group import ServiceGroup
from demo.definitions import REFUSED
from demo.flights import load_flights
from demo.setting_up import Place
from demo.shop import load_shop
from demo.telling import Teller
from shared.clock import SystemClock
from shared.db.database import Database
from shared.db.migrate import upgrade
from shared.errors import ServiceUnavailable
from shared.settings import Settings

_LOOK_SECONDS = 0.05


def load_data(settings: Settings, teller: Teller, mail_port: int) -> Place:
    data = settings.folders[0] / "data"
    data.mkdir(parents=True, exist_ok=True)
    teller.title()
    begun = time.monotonic()
    database = Database(settings.database)
    revision = upgrade(database) if settings.migrate else "kept"
    teller.done("Metadata database", f"{database.dialect}, schema {revision}", begun)
    database.close()
    begun = time.monotonic()
    shop = load_shop(data / "shop.sqlite", SystemClock().now().date())
    how = "generated" if shop.is_new else "kept"
    teller.done("Sample shop", f"{len(shop.counts)} tables, {sum(shop.counts.values()):,} rows, {how}", begun)
    begun = time.monotonic()
    flights = load_flights(data)
    teller.done("NYC flights 2013", f"{flights.counts['flights']:,} real flights, CC0", begun)
    return Place(data, settings.folders[0] / "share", settings.data_dir.absolute() / "mail", mail_port)


@contextmanager
def mail_server(place: Place, settings: Settings) -> Iterator[None]:
    """The local mail server as a process; it can be reached when the block begins."""
    port, folder, log = str(place.mail_port), str(place.mailbox), settings.data_dir / "logs" / "mail.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "demo.mailbox", "--port", port, "--folder", folder, "--refuse", REFUSED]
    with log.open("w") as lines:
        process = subprocess.Popen(command, stdout=lines, stderr=lines, start_new_session=True)
    try:
        while not _accepts(place.mail_port):
            if process.poll() is not None:
                raise ServiceUnavailable(f"The mail server did not start: {log.read_text().strip()}")
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def services(group: ServiceGroup, settings: Settings, teller: Teller) -> Iterator[None]:
    begun = time.monotonic()
    group.start()
    try:
        group.wait_ready()
        teller.done("Services", "configuration API, execution engine, scheduler", begun)
        yield
    finally:
        teller.stopping()
        group.stop(settings.shutdown_grace.total_seconds())


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
