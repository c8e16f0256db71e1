"""Secrets do not reach logs, whatever driver wrote them into its message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.redaction import redact, redact_processor

CORPUS = json.loads((Path(__file__).parents[1] / "corpora" / "redaction.json").read_text())
MORE = [
    "mysql+pymysql://rep:p@ss/w:rd?#%@db.example.com/sales",
    'could not connect: password="S3cr3t x" host=db',
    "X-API-Key: S3cr3t",
    "Authorization: Bearer S3cr3t.token.value",
    "https://u:S3cr3t@example.com/?sig=S3cr3t&x=1",
    "aws_secret_access_key = S3cr3t/abc+def",
    "PWD=S3cr3t;UID=sa",
    "client_secret=S3cr3t&grant_type=x",
    "CREATE USER a IDENTIFIED BY 'S3cr3t'",
    "{'password': 'S3cr3t'}",
]


@pytest.mark.parametrize("case", CORPUS["cases"], ids=lambda case: case["id"])
def test_secrets_of_the_corpus_vanish(case: dict[str, Any]) -> None:
    assert case["must_not_contain"] not in redact(case["text"])


@pytest.mark.parametrize("text", MORE)
def test_secrets_in_other_forms_vanish(text: str) -> None:
    redacted = redact(text)
    assert "S3cr3t" not in redacted
    assert "p@ss" not in redacted
    assert "w:rd" not in redacted


def test_host_user_and_database_stay() -> None:
    redacted = redact("postgresql://rep:S3cr3t!@db.example.com:5432/sales")
    assert all(word in redacted for word in ("rep", "db.example.com", "sales"))


def test_ordinary_sentences_stay_as_they_are() -> None:
    text = "The SFTP server files.example.com refused the login for user reports at 12:30:00."
    assert redact(text) == text


def test_log_fields_that_name_a_secret_are_masked_at_any_depth() -> None:
    event = redact_processor(None, "", {"event": "x", "password": "a", "nested": {"api_key": "b", "host": "h"}})
    assert event == {"event": "x", "password": "********", "nested": {"api_key": "********", "host": "h"}}
