"""Configurations at rest hold no secret, people see asterisks, and what is left out is kept."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from pydantic import Field, SecretStr
from sqlalchemy.orm import Session

from shared.db.database import Database
from shared.db.models import Datasource
from shared.errors import InvalidInput, ServiceUnavailable
from shared.plugins import Plugin, PluginConfig
from shared.plugins.schema import ConfigPolicy
from shared.stored_config import MASK, Kept, masked, seal, unseal
from shared.vault import Vault
from tests.db.rows import NOW

PLACE = "1/report_datasources"
VAULT = Vault(["1f" * 32])


class PostConfig(PluginConfig):
    host: str = Field(title="Host", description="Name of the server.")
    port: int = Field(25, title="Port", description="Port of the server.")
    username: str | None = Field(None, title="User", description="Login name.")
    password: SecretStr | None = Field(None, title="Password", description="Password of the user.")
    headers: dict[str, SecretStr] = Field({}, title="Headers", description="Secret headers.")


class Post(Plugin[PostConfig]):
    kind = "post"
    title = "Post"
    config_model = PostConfig


def sealed(submitted: dict[str, Any], kept: Kept | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    policy = ConfigPolicy(folders=())
    return seal(Post, submitted, kept or Kept(), vault=VAULT, place=PLACE, policy=policy, prefix="delivery_config")


def opened(config: dict[str, Any], secrets: dict[str, str], vault: Vault = VAULT, place: str = PLACE) -> Any:
    return unseal(Post, config, secrets, vault=vault, place=place)


def test_secrets_are_taken_out_encrypted_and_come_back() -> None:
    config, secrets = sealed({"host": "mail", "password": "geheim", "headers": {"X-Key": "auch geheim"}})
    assert config == {"host": "mail"}
    assert set(secrets) == {"password", "headers"}
    assert "geheim" not in str(secrets)
    found = opened(config, secrets)
    assert found.password.get_secret_value() == "geheim"
    assert found.headers["X-Key"].get_secret_value() == "auch geheim"


def test_people_see_eight_asterisks_whatever_the_length() -> None:
    config, secrets = sealed({"host": "mail", "password": "x", "headers": {"A": "y" * 99}})
    assert masked(config, secrets) == {"host": "mail", "password": MASK, "headers": MASK}
    assert masked({"host": "mail"}, {}) == {"host": "mail"}


@pytest.mark.parametrize("again", [{"host": "mail"}, {"host": "mail", "password": MASK}])
def test_a_secret_that_is_left_out_or_masked_is_kept(again: dict[str, Any]) -> None:
    config, secrets = sealed({"host": "mail", "password": "geheim"})
    assert sealed(again, Kept("post", config, secrets)) == (config, secrets)


def test_a_secret_does_not_follow_to_another_server() -> None:
    config, secrets = sealed({"host": "mail", "password": "geheim"})
    with pytest.raises(InvalidInput, match="must be sent again, because host changed") as refused:
        sealed({"host": "evil", "password": MASK}, Kept("post", config, secrets))
    assert refused.value.details[0].field == "delivery_config.password"


def test_a_mask_that_stands_for_nothing_is_not_stored_as_a_secret() -> None:
    with pytest.raises(InvalidInput, match=r"delivery_config\.password"):
        sealed({"host": "mail", "password": MASK})


def test_a_secret_of_another_row_or_key_does_not_open() -> None:
    config, secrets = sealed({"host": "mail", "password": "geheim"})
    for vault, place in ((VAULT, "2/report_datasources"), (Vault(["2e" * 32]), PLACE)):
        with pytest.raises(ServiceUnavailable):
            opened(config, secrets, vault, place)


def test_wrong_fields_are_named_with_their_path_and_without_their_value() -> None:
    with pytest.raises(InvalidInput) as refused:
        sealed({"host": 5, "port": "geheim", "colour": "geheim", "password": 7})
    fields = {problem.field for problem in refused.value.details}
    assert fields == {f"delivery_config.{name}" for name in ("host", "port", "colour", "password")}
    assert "geheim" not in str([*refused.value.details, refused.value.message])


def test_a_reference_is_stored_as_it_is_and_followed_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    config, secrets = sealed({"host": "mail", "password": "env:REPORT_HUB_SECRET_MAIL"})
    assert secrets == {"password": "env:REPORT_HUB_SECRET_MAIL"}
    with pytest.raises(InvalidInput, match="not set on the server"):
        opened(config, secrets)
    monkeypatch.setenv("REPORT_HUB_SECRET_MAIL", "geheim")
    assert opened(config, secrets).password.get_secret_value() == "geheim"


def test_a_reference_reads_no_other_variable() -> None:
    with pytest.raises(InvalidInput, match="REPORT_HUB_SECRET_"):
        sealed({"host": "mail", "password": "env:PATH"})


def test_a_dump_of_the_database_holds_no_secret(sqlite_hub: Database) -> None:
    config, secrets = sealed({"host": "mail", "password": "geheim-im-dump", "headers": {"A": "geheim-im-dump"}})
    with sqlite_hub.transaction() as session:
        add(session, config, secrets)
    with sqlite3.connect(sqlite_hub.engine.url.database or "") as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert "mail" in dump
    assert "geheim-im-dump" not in dump


def add(session: Session, config: dict[str, Any], secrets: dict[str, str]) -> None:
    row = Datasource(tenant_id=1, name="d", type="post", connection_config=config, created_at=NOW, updated_at=NOW)
    row.secrets = secrets
    session.add(row)
