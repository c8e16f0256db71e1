"""Secrets at rest: they come back in their place and with their key, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ServiceUnavailable
from shared.settings import Settings
from shared.vault import Vault, open_vault

ONE, TWO = "1f" * 32, "2e" * 32
PLACE = "1/report_datasources/password"
OPEN = (
    "import sys; from pathlib import Path; from shared.settings import Settings; from shared.vault import open_vault\n"
    "print(open_vault(Settings(data_dir=Path(sys.argv[1]))).service_key.hex())"
)


@given(st.text())
def test_a_secret_comes_back(secret: str) -> None:
    vault = Vault([ONE])
    stored = vault.encrypt(secret, PLACE)
    assert vault.decrypt(stored, PLACE) == secret
    assert len(secret) < 4 or secret not in stored


def test_the_same_secret_is_stored_differently_each_time() -> None:
    vault = Vault([ONE])
    assert vault.encrypt("geheim", PLACE) != vault.encrypt("geheim", PLACE)


def test_another_key_does_not_open_it_and_the_sentence_says_what_to_do() -> None:
    stored = Vault([ONE]).encrypt("geheim", PLACE)
    with pytest.raises(ServiceUnavailable, match="cannot be decrypted with the key of this server") as refused:
        Vault([TWO]).decrypt(stored, PLACE)
    assert "REPORT_HUB_SECRET_KEY" in str(refused.value.hint)


@pytest.mark.parametrize(
    "place", ["2/report_datasources/password", "1/report_deliveries/password", "1/report_datasources/token"]
)
def test_a_ciphertext_that_was_moved_does_not_open(place: str) -> None:
    vault = Vault([ONE])
    with pytest.raises(ServiceUnavailable):
        vault.decrypt(vault.encrypt("geheim", PLACE), place)


def test_every_changed_character_is_noticed() -> None:
    vault = Vault([ONE])
    stored = vault.encrypt("geheim", PLACE)
    for position in range(0, len(stored) - 1, 7):
        changed = stored[:position] + ("A" if stored[position] != "A" else "B") + stored[position + 1 :]
        with pytest.raises(ServiceUnavailable):
            vault.decrypt(changed, PLACE)


@pytest.mark.parametrize("stored", ["", "geheim", "v1.a.b", "v2.a.b.c", "v1....", "v1.é.é.é"])
def test_what_is_no_ciphertext_is_a_sentence(stored: str) -> None:
    with pytest.raises(ServiceUnavailable):
        Vault([ONE]).decrypt(stored, PLACE)


def test_after_a_change_of_keys_old_secrets_open_and_new_ones_use_the_new_key() -> None:
    old = Vault([ONE]).encrypt("old", PLACE)
    rotated = Vault([TWO, ONE])
    assert rotated.decrypt(old, PLACE) == "old"
    assert Vault([TWO]).decrypt(rotated.encrypt("new", PLACE), PLACE) == "new"


def test_the_first_start_makes_a_key_file_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "hub"
    first = open_vault(Settings(data_dir=folder))
    file = folder / "secret.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text()) == 64
    assert [path.name for path in folder.iterdir()] == ["secret.key"]
    stored = first.encrypt("geheim", PLACE)
    assert open_vault(Settings(data_dir=folder)).decrypt(stored, PLACE) == "geheim"


def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(tmp_path / "hub")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    keys = {process.communicate(timeout=60)[0] for process in processes}
    assert len(keys) == 1
    assert len(keys.pop().strip()) == 64


def test_what_a_crash_left_of_another_start_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f".secret.key.{os.getpid()}").touch()
    open_vault(Settings(data_dir=tmp_path))


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    open_vault(Settings(data_dir=tmp_path))
    (tmp_path / "secret.key").chmod(0o640)
    with pytest.raises(ServiceUnavailable, match="can be read by other users") as refused:
        open_vault(Settings(data_dir=tmp_path))
    assert str(refused.value.hint).startswith("chmod 600")


@pytest.mark.parametrize("content", ["", "   \n", "abc"])
def test_a_damaged_key_file_is_refused_and_left_as_it_is(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secret.key"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(ServiceUnavailable, match="damaged"):
        open_vault(Settings(data_dir=tmp_path))
    assert file.read_text() == content


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceUnavailable, match="cannot be read or made"):
        open_vault(Settings(data_dir=tmp_path / "file"))


def test_services_share_an_identity_only_with_the_same_key() -> None:
    assert Vault([ONE]).service_key == Vault([ONE, TWO]).service_key
    assert Vault([ONE]).service_key != Vault([TWO]).service_key
    assert ONE not in Vault([ONE]).service_key.hex()
