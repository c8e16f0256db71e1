"""Configurations of plug-ins at rest: secrets apart and encrypted, shown as asterisks, kept when left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.errors import FieldProblem, InvalidInput
from shared.plugins import Plugin, PluginConfig
from shared.plugins.schema import ConfigPolicy, config_problems, join_path, plain_secret, read_config, secret_fields
from shared.references import follow, is_reference
from shared.vault import Vault

MASK = "********"
_PLACES = ("host", "port", "account")
_PLACE_ENDING = "url"
"""Fields that say where a secret is sent: changing one without sending the secret again is refused."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is stored now. `kind` is the plug-in that it belongs to; '' when there is nothing."""

    kind: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


def seal(
    plugin: type[Plugin[Any]],
    submitted: Mapping[str, Any],
    kept: Kept,
    *,
    vault: Vault,
    place: str,
    policy: ConfigPolicy,
    prefix: str,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Validate a submitted configuration and take its secrets out.

    Args:
        kept: a secret that is missing or masked is taken from there; null gives it up.
        place: `<tenant>/<table>`; binds each ciphertext to its place.
        prefix: path of the configuration in the body, for error messages.

    Returns:
        the configuration without secrets, and the encrypted secrets by field.

    Raises:
        InvalidInput: with the path of every field that is wrong.
    """
    names = secret_fields(plugin.config_model)
    candidate = {name: value for name, value in submitted.items() if not (name in names and value in (MASK, None))}
    renewed = {name for name in names if submitted.get(name, MASK) != MASK}
    reused = {name: kept.secrets[name] for name in names if name in kept.secrets and name not in renewed}
    _refuse_masks(submitted, [name for name in names if name not in reused], prefix)
    if reused and kept.kind != plugin.kind:
        _refuse_reuse(reused, ["the type"], prefix)
    for name, stored in reused.items():
        candidate[name] = _open(stored, vault, f"{place}/{name}")
    config = read_config(plugin, candidate, prefix)
    if reused:
        _refuse_reuse(reused, list(_moved(plugin, config, kept.config)), prefix)
    problems = [
        problem
        for problem in config_problems(plugin, config, policy, prefix)
        if problem.field not in {join_path(prefix, name) for name in reused}
    ]
    if problems:
        raise InvalidInput(f"{problems[0].field}: {problems[0].message}", details=problems)
    given = {name: plain_secret(getattr(config, name)) for name in names if name not in reused}
    sealed = {name: _close(value, vault, f"{place}/{name}") for name, value in given.items() if value is not None}
    return config.model_dump(mode="json", exclude=set(names), exclude_unset=True), {**reused, **sealed}


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
    opened = {name: follow(_open(stored, vault, f"{place}/{name}"), name) for name, stored in secrets.items()}
    return read_config(plugin, {**config, **opened}, "config")


def masked(config: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """The configuration as people see it: every stored secret is eight asterisks, whatever its length."""
    return {**config, **dict.fromkeys(secrets, MASK)}


def _refuse_masks(submitted: Mapping[str, Any], names: Sequence[str], prefix: str) -> None:
    """Asterisks that stand for nothing would be kept as if they were the secret."""
    wrong = [name for name in names if name in submitted and _has_mask(submitted[name])]
    if wrong:
        message = "is masked, and nothing is stored that it could stand for: send the secret itself"
        problems = [FieldProblem(join_path(prefix, name), message) for name in wrong]
        raise InvalidInput(f"{problems[0].field} {message}.", details=problems)


def _has_mask(value: Any) -> bool:
    return MASK in value.values() if isinstance(value, dict) else bool(value == MASK)


def _moved(plugin: type[Plugin[Any]], config: PluginConfig, stored: Mapping[str, Any]) -> Iterator[str]:
    """Fields that say where the secrets go and now say something else."""
    fields = plugin.config_model.model_fields
    names = {name for name in fields if name in _PLACES or name.endswith(_PLACE_ENDING)}
    for name, value in config.model_dump(mode="json", include=names).items():
        if value != stored.get(name, fields[name].default):
            yield name


def _refuse_reuse(reused: Mapping[str, str], moved: Sequence[str], prefix: str) -> None:
    if moved:
        message = f"must be sent again, because {' and '.join(moved)} changed"
        problems = [FieldProblem(join_path(prefix, name), message) for name in reused]
        raise InvalidInput(f"{problems[0].field} {message}.", details=problems)


def _close(value: Any, vault: Vault, place: str) -> str:
    return str(value) if is_reference(value) else vault.encrypt(json.dumps(value), place)


def _open(stored: str, vault: Vault, place: str) -> Any:
    return stored if is_reference(stored) else json.loads(vault.decrypt(stored, place))
