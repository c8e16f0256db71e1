"""Settings: every mistake at once and by name, secrets from files, nothing weak, open only on loopback."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from shared.settings import PREFIX, Settings, SettingsError, load_settings, unknown_variables

GOOD_KEY = "8c1f0b7d2e6a4953f7c8d9e0a1b2c3d4"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)  # a .env file of the checkout is not for tests


def problems(**variables: str) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(PREFIX + name, value)
        with pytest.raises(SettingsError) as refused:
            load_settings()
    return {problem.field.removeprefix(PREFIX): problem.message for problem in refused.value.details}


def loaded(**variables: str) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(PREFIX + name, value)
        return load_settings()


def test_without_any_variable_everything_has_a_default_that_works() -> None:
    settings = load_settings()
    assert settings.is_open
    assert settings.database == f"sqlite:///{Path.cwd() / '.hub' / 'report_hub.sqlite'}"
    assert settings.engine_address == "http://127.0.0.1:8000"
    assert settings.folders == (Path.cwd() / ".hub" / "files",)


def test_all_mistakes_are_told_at_once_by_the_names_of_their_variables(tmp_path: Path) -> None:
    found = problems(
        TICK="soon", ENGINE_PORT="99999", SECRET_KEY="short", ALLOWED_NETWORKS="10.0.0.0/99", LOG_LEVEL="loud",
        DATABASE_URL="nonsense", BOOTSTRAP_API_KEY_FILE=str(tmp_path / "missing"), MAX_ATTEMPTS="many",
    )  # fmt: skip
    assert found["TICK"] == "must be a duration: seconds (30) or ISO 8601 (PT30S)"
    assert found["SECRET_KEY"] == "must have at least 32 characters"
    assert "REPORT_HUB_BOOTSTRAP_API_KEY_FILE" in found["BOOTSTRAP_API_KEY"]
    assert "No such file" in found["BOOTSTRAP_API_KEY"]
    assert set(found) == {
        "TICK", "ENGINE_PORT", "SECRET_KEY", "ALLOWED_NETWORKS", "LOG_LEVEL", "DATABASE_URL", "BOOTSTRAP_API_KEY",
        "MAX_ATTEMPTS",
    }  # fmt: skip


def test_a_mistake_is_told_without_its_value() -> None:
    found = problems(SECRET_KEY="geheim", DATABASE_URL="oracle://hub:geheim@db/hub", TICK="geheim", HEARTBEAT="geheim")
    assert len(found) == 4
    assert "geheim" not in str(found)


@pytest.mark.parametrize("text", ["30", "30.0", "PT30S", "00:00:30"])
def test_durations_are_seconds_or_iso_8601(text: str) -> None:
    assert loaded(TICK=text).tick == timedelta(seconds=30)


@pytest.mark.parametrize("text", ["0", "-1", "-PT5S", "0.001", "1e3", ""])
def test_an_interval_that_would_never_rest_is_refused(text: str) -> None:
    assert list(problems(TICK=text)) == ["TICK"]


def test_no_grace_at_all_is_allowed_for_the_shutdown() -> None:
    assert loaded(SHUTDOWN_GRACE="0").shutdown_grace == timedelta(0)


def test_a_setting_comes_from_a_file_and_the_variable_itself_wins(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{GOOD_KEY}\n")
    settings = loaded(SECRET_KEY_FILE=str(file))
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() == GOOD_KEY
    (tmp_path / "networks").write_text("127.0.0.0/8, ::1/128\n")
    assert loaded(ALLOWED_NETWORKS_FILE=str(tmp_path / "networks")).allowed_networks == ("127.0.0.0/8", "::1/128")
    assert loaded(TICK_FILE=str(file), TICK="5").tick == timedelta(seconds=5)


def test_a_file_that_is_no_text_is_a_problem_of_that_setting(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in problems(SECRET_KEY_FILE=str(tmp_path / "key"))["SECRET_KEY"]
    assert "cannot be read" in problems(SECRET_KEY_FILE=str(tmp_path))["SECRET_KEY"]


@pytest.mark.parametrize("name", ["SECRET_KEY", "BOOTSTRAP_API_KEY"])
@pytest.mark.parametrize(
    "weak", ["", "short", "x" * 40, "abc" * 20, "changeme-changeme-changeme-changeme", "Example" * 6]
)
def test_weak_keys_are_refused(name: str, weak: str) -> None:
    assert list(problems(**{name: weak})) == [name]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "hub.example.com", ""])
def test_without_credentials_only_loopback_is_listened_on(host: str) -> None:
    assert "listen on loopback only" in problems(HOST=host)["settings"]
    assert loaded(HOST=host, BOOTSTRAP_API_KEY=GOOD_KEY).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_is_open(host: str) -> None:
    assert loaded(HOST=host).is_open


def test_a_heartbeat_that_is_too_slow_for_the_lease_is_refused() -> None:
    assert "heartbeat" in problems(LEASE="10", HEARTBEAT="5")["settings"]


def test_lists_are_split_and_folders_are_paths() -> None:
    settings = loaded(ALLOWED_FOLDERS="/data:/mnt/share:", ALLOWED_HOSTS="hub.example.com, hub")
    assert settings.folders == (Path("/data"), Path("/mnt/share"))
    assert settings.allowed_hosts == ("hub.example.com", "hub")


def test_a_file_named_env_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REPORT_HUB_TICK=7\nREPORT_HUB_CONFIG_PORT=9999\nOTHER=1\n")
    settings = loaded(CONFIG_PORT="8888")
    assert (settings.tick, settings.config_port) == (timedelta(seconds=7), 8888)


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_has_a_sentence_for_the_reference(name: str) -> None:
    description = Settings.model_fields[name].description or ""
    assert description[:1].isupper() or description.startswith(("auto", "CIDR"))
    assert description.endswith((".", ".)"))


def test_secrets_do_not_show_in_the_repr() -> None:
    settings = loaded(SECRET_KEY=GOOD_KEY, BOOTSTRAP_API_KEY=GOOD_KEY, DATABASE_URL="mysql://hub:geheim@db/hub")
    assert GOOD_KEY not in repr(settings)
    assert "geheim" not in repr(settings)


def test_a_misspelt_variable_is_noticed() -> None:
    environment = {
        "REPORT_HUB_PUBLIC_ULR": "x", "REPORT_HUB_TICK": "1", "REPORT_HUB_SECRET_KEY_FILE": "/x",
        "REPORT_HUB_SECRET_WAREHOUSE": "x", "REPORT_HUB_API_KEY": "x", "HOME": "/root",
    }  # fmt: skip
    assert unknown_variables(environment) == ["REPORT_HUB_PUBLIC_ULR"]
