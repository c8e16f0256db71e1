"""Configurations of plug-ins at rest: secrets apart and encrypted, shown as asterisks, kept when left out.

A secret may be a reference instead of a value: `env:NAME` (the variable must be called REPORT_HUB_SECRET_…, so that a
reference reads nothing but what the operator meant for it) or `file:PATH` (below a folder of secrets named by
REPORT_HUB_SECRET_FOLDER). References are stored as they are and opened when the plug-in is used.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from shared.errors import FieldProblem, InvalidInput
from shared.plugins import Plugin, PluginConfig
from shared.plugins.schema import secret_fields
from shared.vault import Vault

MASK = "********"
_ENV_REFERENCE = re.compile(r"env:(REPORT_HUB_SECRET_[A-Z0-9_]{1,100})\Z")
_FOLDER_VARIABLE = "REPORT_HUB_SECRET_FOLDER"
_PLACES = ("host", "port", "url", "endpoint_url", "account", "username")
"""Fields that say where a secret is sent: changing one without sending the secret again is refused."""


def seal(
    plugin: type[Plugin[Any]],
    submitted: Mapping[str, Any],
    *,
    vault: Vault,
    place: str,
    kept_config: Mapping[str, Any] | None = None,
    kept_secrets: Mapping[str, str] | None = None,
    prefix: str,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Validate a submitted configuration and take its secrets out.

    Args:
        place: `<tenant>/<table>`; binds each ciphertext to its place.
        kept_config, kept_secrets: what is stored now; a secret that is missing or masked is kept from there.
        prefix: path of the configuration in the body, for error messages.

    Returns:
        the configuration without secrets, and the encrypted secrets by field.

    Raises:
        InvalidInput: with the path of every field that is wrong.
    """
    kept_config, kept_secrets = kept_config or {}, kept_secrets or {}
    names = secret_fields(plugin.config_model)
    candidate = {name: value for name, value in submitted.items() if not (name in names and value == MASK)}
    kept = {name: kept_secrets[name] for name in names if name in kept_secrets and name not in candidate}
    if kept:
        _refuse_moved(candidate, kept_config, kept, prefix)
    for name, stored in kept.items():
        candidate[name] = _open(stored, vault, f"{place}/{name}")
    config = _validated(plugin, candidate, prefix)
    secrets = dict(kept)
    for name in names:
        value = _plain(getattr(config, name))
        if name not in kept and value is not None:
            _check_reference(value, f"{prefix}.{name}")
            secrets[name] = _close(value, vault, f"{place}/{name}")
    stored_config = config.model_dump(mode="json", exclude=set(names), exclude_unset=True)
    return stored_config, secrets


def unseal(
    plugin: type[Plugin[Any]],
    config: Mapping[str, Any],
    secrets: Mapping[str, str],
    *,
    vault: Vault,
    place: str,
) -> PluginConfig:
    """The configuration as the plug-in gets it, secrets opened and references followed.

    Raises:
        InvalidInput: the stored configuration does not fit the plug-in (any more), or a reference leads nowhere.
        ServiceUnavailable: a secret cannot be decrypted.
    """
    opened = {name: _follow(_open(stored, vault, f"{place}/{name}"), name) for name, stored in secrets.items()}
    return _validated(plugin, {**config, **opened}, "config")


def masked(config: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """The configuration as people see it: every stored secret is eight asterisks, whatever its length."""
    return {**config, **dict.fromkeys(secrets, MASK)}


def _validated(plugin: type[Plugin[Any]], candidate: Mapping[str, Any], prefix: str) -> PluginConfig:
    try:
        config: PluginConfig = plugin.config_model.model_validate_json(json.dumps(candidate), strict=True)
    except ValidationError as error:
        problems = [
            FieldProblem(".".join([prefix, *map(str, item["loc"])]), item["msg"].removeprefix("Value error, "))
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise InvalidInput(
            f"{problems[0].field}: {problems[0].message}",
            hint=f"GET /api/plugins describes the configuration of {plugin.kind}.",
            details=problems,
        ) from None
    return config


def _refuse_moved(
    candidate: Mapping[str, Any], kept_config: Mapping[str, Any], kept: Mapping[str, str], prefix: str
) -> None:
    moved = [name for name in _PLACES if candidate.get(name) != kept_config.get(name)]
    if moved:
        message = f"must be sent again, because {' and '.join(moved)} changed"
        problems = [FieldProblem(f"{prefix}.{name}", message) for name in kept]
        raise InvalidInput(f"{problems[0].field} {message}.", details=problems)


def _plain(value: Any) -> Any:
    """The secret value in JSON form: a string, or a dict of strings; None when it is not set."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()} or None
    return value


def _close(value: Any, vault: Vault, place: str) -> str:
    if _is_reference(value):
        return str(value)
    return vault.encrypt(json.dumps(value), place)


def _open(stored: str, vault: Vault, place: str) -> Any:
    return stored if _is_reference(stored) else json.loads(vault.decrypt(stored, place))


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("env:", "file:"))


def _check_reference(value: Any, field: str) -> None:
    if not _is_reference(value):
        return
    if value.startswith("env:") and not _ENV_REFERENCE.match(value):
        message = "an env: reference must name a variable that starts with REPORT_HUB_SECRET_"
        raise InvalidInput(f"{field}: {message}", details=[FieldProblem(field, message)])


def _follow(value: Any, name: str) -> Any:
    if not _is_reference(value):
        return value
    if value.startswith("env:"):
        match = _ENV_REFERENCE.match(value)
        found = os.environ.get(match.group(1)) if match else None
        if found is None:
            raise InvalidInput(f"The secret {name} refers to a variable that is not set on the server.")
        return found
    return _from_file(value.removeprefix("file:"), name)


def _from_file(path: str, name: str) -> str:
    folder = os.environ.get(_FOLDER_VARIABLE)
    if folder is None:
        raise InvalidInput(f"The secret {name} refers to a file, but the server has no {_FOLDER_VARIABLE}.")
    file = (Path(folder) / path).resolve()
    if not file.is_relative_to(Path(folder).resolve()) or not file.is_file():
        raise InvalidInput(f"The secret {name} refers to a file that is not in the server's folder of secrets.")
    return file.read_text(encoding="utf-8").strip()
