"""Other people's plug-ins, as the engine meets them through entry points: they do what a file tells them to."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from shared.errors import DeliveryRefused, DeliveryUnavailable, DeliveryUnknown, SourceUnavailable
from shared.plugins import (
    Connector,
    Control,
    Deliverer,
    NoConfig,
    Parcel,
    PluginConfig,
    Query,
    Receipt,
    SourceCapabilities,
    Table,
)
from shared.plugins.streaming import guarded


class ScriptedSource(Connector[NoConfig]):
    """The query is JSON: rows to give, and what happens before them."""

    kind = "scripted"
    title = "Scripted source"
    config_model = NoConfig
    capabilities = SourceCapabilities(dialect=None)

    def check(self, control: Control) -> str:
        return "Scripted source 1"

    def tables(self, control: Control) -> list[Table]:
        return []

    @contextmanager
    def stream(self, query: Query, control: Control) -> Iterator[pa.RecordBatchReader]:
        script = json.loads(query.text)
        if "started" in script:
            with Path(script["started"]).open("a") as file:
                file.write(f"{os.getpid()}\n")
        if "biggest_file" in script:
            resource.setrlimit(resource.RLIMIT_FSIZE, (script["biggest_file"], resource.RLIM_INFINITY))
        if "down" in script and not Path(script["down"]).exists():
            raise SourceUnavailable("The scripted source is down.")
        schema = pa.schema([pa.field("n", pa.int64())])
        with guarded(schema, _batches(script, schema, control), control, lambda error: error) as reader:
            yield reader


def _batches(script: dict[str, Any], schema: pa.Schema, control: Control) -> Iterator[pa.RecordBatch]:
    for number in range(script.get("rows", 1)):
        control.check()
        yield pa.record_batch([pa.array([number])], schema=schema)
    if "eat_mb" in script:
        eaten = [bytearray(1 << 20) for _ in range(script["eat_mb"])]
        yield pa.record_batch([pa.array([len(eaten)])], schema=schema)
    if "eat_arrow_mb" in script:
        pa.array(range(1 << 17)).take(pa.array([0] * (script["eat_arrow_mb"] << 17)))
    while "until" in script and not Path(script["until"]).exists():
        control.check()
        time.sleep(0.02)
    while script.get("deaf"):
        time.sleep(0.1)
    if script.get("abort"):
        os.kill(os.getpid(), signal.SIGABRT)


class FlakyConfig(PluginConfig):
    plan: str
    """A JSON file with one answer per attempt; the last one goes for all that follow."""


class FlakyPlace(Deliverer[FlakyConfig]):
    """Fails on order, and notes each attempt in `<plan>.log` before it answers."""

    kind = "flaky"
    title = "Flaky place"
    config_model = FlakyConfig

    def target(self) -> str:
        return "the flaky place"

    def check(self, control: Control) -> str:
        return "fine"

    def deliver(self, parcel: Parcel, control: Control) -> Receipt:
        answers = json.loads(Path(self.config.plan).read_text())
        address = parcel.recipient.address if parcel.recipient else ""
        if isinstance(answers, dict):
            answers = answers.get(address, ["ok"])
        with Path(f"{self.config.plan}.log").open("a") as log:
            line = {"key": parcel.key, "attempt": parcel.attempt, "to": address, "test": parcel.is_test}
            log.write(json.dumps({**line, "files": [file.file_name for file in parcel.artifacts]}) + "\n")
        return _answer(answers[min(parcel.attempt, len(answers)) - 1], control)


class FlakyMail(FlakyPlace):
    kind = "flaky_mail"
    title = "Flaky mail"
    is_addressed = True


def _answer(word: str, control: Control) -> Receipt:
    word, _, argument = word.partition(":")
    match word:
        case "ok":
            return Receipt("250 thank you", {"queue_id": "7"})
        case "unavailable":
            after = timedelta(seconds=float(argument)) if argument else None
            raise DeliveryUnavailable("The flaky place is busy.", retry_after=after)
        case "refused":
            raise DeliveryRefused("The flaky place knows no such address.", hint="Look it up.")
        case "unknown":
            raise DeliveryUnknown("The connection broke after everything was sent.")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fault":
            raise KeyError("a bug of the plug-in, secret=hunter2")
        case "until":
            while not Path(argument).exists():
                control.check()
                time.sleep(0.02)
            return Receipt("250 after all")
        case "deaf":
            while True:
                time.sleep(0.1)
    raise AssertionError(word)
