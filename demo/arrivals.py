"""Looks at the places themselves: did every file that the ledger calls delivered really arrive, whole?"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from demo.definitions import REFUSED
from demo.mailbox import Mail, mails

_EXECUTION_HEADER = "X-Report-Hub-Execution"


def problems_of(story: Mapping[str, Any], share: Path, mailbox: Path, expected_rows: int | None) -> list[str]:
    """What is wrong with an execution, in sentences; empty when all that was promised is there."""
    return list(_problems(story, share, mailbox, expected_rows))


def _problems(story: Mapping[str, Any], share: Path, mailbox: Path, expected_rows: int | None) -> Iterator[str]:
    name = story["report_name"]
    if story["status"] != "COMPLETED":
        yield f"{name}: {story['state']}: {(story['error'] or {}).get('message', 'no reason given')}"
        return
    if story["completeness"] != "COMPLETE":
        yield f"{name}: the files are {story['completeness'].lower()}."
    if expected_rows is not None and story["row_count"] != expected_rows:
        yield f"{name}: {story['row_count']:,} rows instead of {expected_rows:,}."
    if not story["deliveries"]:
        yield f"{name}: nothing was to be delivered."
    kept = mails(mailbox)
    for task in story["deliveries"]:
        if task["recipient"] == REFUSED:
            if task["status"] != "REFUSED":
                yield f"{name}: {REFUSED} is {task['status']}, it should have been refused."
        elif task["status"] == "DELIVERED":
            files = _in_mail(story, task, kept) if task["method"] == "email" else _in_folder(story, share)
            yield from _missing(story, task, files)
        elif task["status"] != "SKIPPED":
            yield f"{name}: {task['recipient']} is {task['status']}: {task['message']}"


def _missing(story: Mapping[str, Any], task: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[str]:
    for artifact in story["artifacts"]:
        if files.get(artifact["file_name"]) != artifact["sha256"]:
            found = "is another file" if artifact["file_name"] in files else "is not there"
            yield f"{story['report_name']}: {artifact['file_name']} {found} at {task['recipient']}."


def _in_folder(story: Mapping[str, Any], share: Path) -> dict[str, str]:
    """Hashes of the execution's files below the share, by name."""
    names = [artifact["file_name"] for artifact in story["artifacts"]]
    return {path.name: _sha256(path.read_bytes()) for name in names for path in share.rglob(glob.escape(name))}


def _in_mail(story: Mapping[str, Any], task: Mapping[str, Any], kept: list[Mail]) -> dict[str, str]:
    """Hashes of the attachments that this recipient got from this execution, by name."""
    return {
        str(part.get_filename()): _sha256(part.get_payload(decode=True) or b"")
        for mail in kept
        if mail.message[_EXECUTION_HEADER] == story["execution_id"] and task["recipient"] in mail.recipients
        for part in mail.message.iter_attachments()
    }


def _sha256(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()
