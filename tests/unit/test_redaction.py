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
    '{"password":"a\\"S3cr3t","user":"rep"}',
    r"{\"password\": \"S3cr3t\"}",
    'connect(password="S3cr3t x y',  # cut before its closing quote
    "Driver={ODBC};Server=h;Uid=sa;Pwd={a}}S3cr3t};Database=s",
    "host=db password=a)S3cr3t dbname=x",
    "host=db password=a,S3cr3t dbname=x",
    "host=db password=a'S3cr3t dbname=x",
    "host=db password=&S3cr3t dbname=x",
    "password: 'a''S3cr3t'",
    "MYSQL_PWD=S3cr3t",
    "userPass=S3cr3t",
    "<password>S3cr3t</password>",
    "Authorization: ApiKey S3cr3t",
    'Authorization: Digest username="u", response="S3cr3t"',
    "Cookie: session=S3cr3t; a=b",
    "curl -u rep:S3cr3t https://example.com",
    "SET PASSWORD FOR 'a' = 'S3cr3t'",
    "ALTER USER a WITH PASSWORD 'S3cr3t'",
    "https://hooks.slack.com/services/T000/B000/S3cr3tXYZ",
    "https://discord.com/api/webhooks/123/S3cr3t-abc",
    "https://x.webhook.office.com/webhookb2/S3cr3t/IncomingWebhook/a/b",
    "https://maps.example.com/?q=1&key=S3cr3t",
]
HARMLESS = [
    "The SFTP server files.example.com refused the login for user reports at 12:30:00.",
    "Access denied for user 'rep'@'10.0.0.1' (using password: YES)",
    'password authentication failed for user "rep"',
    "The proxy wants Basic authentication.",
    "The bearer certificate expired.",
    "unexpected token SELECTED near line 3",
    "compass: north, bypass = true, Kansas: 5, max_tokens: 5",
    "find . -print",
    "https://rep@example.com:8080/path",
]
SLOW = [
    "a-" * 50_000,
    "a." * 50_000,
    "a://b:" * 16_000,
    "ey-" * 30_000,
    "eyJhbGciOi." * 9_000,
    "token>" * 16_000,
    "password=" + ",a" * 50_000,
    "pwd={ " * 16_000,
    "Bearer " + "a" * 100_000,
    "authorization: a " * 6_000,
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


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_sentences_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


def test_names_beside_a_secret_stay() -> None:
    assert redact("host=db user=rep password=S3cr3t dbname=sales") == "host=db user=rep password=******** dbname=sales"
    assert redact("Server=h;Pwd=S3cr3t;User ID=sa") == "Server=h;Pwd=********;User ID=sa"
    assert json.loads(redact('{"password":"a\\"S3cr3t","user":"rep"}')) == {"password": "********", "user": "rep"}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", SLOW, ids=lambda text: text[:12])
def test_texts_made_to_be_slow_are_read_in_proportion_to_their_length(text: str) -> None:
    redact(text)  # rules that look again from every character take hours here


def test_log_fields_that_name_a_secret_are_masked_at_any_depth() -> None:
    event = redact_processor(None, "", {"event": "x", "password": "a", "nested": {"api_key": "b", "host": "h"}})
    assert event == {"event": "x", "password": "********", "nested": {"api_key": "********", "host": "h"}}


@pytest.mark.parametrize(
    "value",
    [
        ValueError("password=S3cr3t"),
        b"password=S3cr3t",
        {"accessToken": "S3cr3t"},
        {"password_hash": "S3cr3t"},
        {"postgresql://u:S3cr3t@h": 1},
        {"password=S3cr3t"},
        [("X-Api-Key", "S3cr3t")],
        ("a", ["Bearer S3cr3tS3cr3t"]),
    ],
    ids=repr,
)
def test_whatever_a_log_field_holds_its_secrets_vanish(value: Any) -> None:
    assert "S3cr3t" not in repr(redact_processor(None, "", {"event": "x", "value": value}))


def test_numbers_of_log_fields_stay_numbers() -> None:
    event = {"event": "x", "rows": 3, "seconds": 0.5, "is_done": True, "nothing": None}
    assert redact_processor(None, "", dict(event)) == event


def test_what_structlog_passes_between_processors_is_left_alone() -> None:
    error = (ValueError, ValueError("x"), None)
    event = {"_record": object(), "exc_info": error}
    assert redact_processor(None, "", dict(event)) == event
