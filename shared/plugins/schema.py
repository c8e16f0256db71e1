"""Configurations of plug-ins: which fields are secrets or paths, whether a configuration is right, and allowed here."""

from __future__ import annotations

import functools
import ipaddress
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from shared.errors import FieldProblem, InvalidInput
from shared.network import NetworkPolicy
from shared.plugins.base import SERVER_PATH, Plugin, PluginConfig
from shared.plugins.files import resolve_server_path
from shared.plugins.registry import Family, load
from shared.references import is_reference, reference_problem


@dataclass(frozen=True, slots=True)
class ConfigPolicy:
    """What configurations may name on this server.

    Attributes:
        folders: roots for files.
        own_paths: files and folders of Report Hub itself, which no configuration may name.
        requires_references: secrets must be references (`env:NAME`, `file:PATH`), never values.
    """

    folders: tuple[Path, ...]
    network: NetworkPolicy = field(default_factory=NetworkPolicy)
    own_paths: tuple[Path, ...] = ()
    requires_references: bool = False


@dataclass(frozen=True, slots=True)
class ConfigVerdict:
    allowed: bool
    problems: tuple[FieldProblem, ...] = ()


def check_config(family: Family, kind: str, config: Mapping[str, Any], policy: ConfigPolicy) -> ConfigVerdict:
    """Whether this configuration can be kept; opens nothing and connects to nothing."""
    try:
        plugin = load(family, kind)
        problems = config_problems(plugin, read_config(plugin, config, ""), policy, "")
    except InvalidInput as error:
        return ConfigVerdict(False, error.details)
    return ConfigVerdict(not problems, tuple(problems))


def read_config(plugin: type[Plugin[Any]], config: Mapping[str, Any], prefix: str) -> PluginConfig:
    """The configuration in the plug-in's own model; texts are not taken for numbers or the like.

    Raises:
        InvalidInput: with the path, below `prefix`, of every field that is wrong.
    """
    try:
        read: PluginConfig = plugin.config_model.model_validate_json(json.dumps(config), strict=True)
    except ValidationError as error:
        problems = [
            FieldProblem(join_path(prefix, *item["loc"]), item["msg"].removeprefix("Value error, "))
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise InvalidInput(
            f"{problems[0].field}: {problems[0].message}",
            hint=f"GET /api/plugins describes the configuration of {plugin.kind}.",
            details=problems,
        ) from None
    return read


def config_problems(
    plugin: type[Plugin[Any]], config: PluginConfig, policy: ConfigPolicy, prefix: str
) -> list[FieldProblem]:
    """What this server does not allow although the plug-in would: paths, addresses, secrets as values."""
    found: dict[str, str | None] = {}
    for name in server_path_fields(plugin.config_model):
        found[name] = _path_problem(getattr(config, name), policy)
    for name in secret_fields(plugin.config_model):
        found[name] = _secret_problem(plain_secret(getattr(config, name)), policy)
    found["host"] = _host_problem(getattr(config, "host", None), policy.network)
    return [FieldProblem(join_path(prefix, name), message) for name, message in found.items() if message]


def join_path(*steps: Any) -> str:
    """Steps of a path, dots between them; long keys are cut."""
    return ".".join(str(step)[:64] for step in steps if step != "")


def plain_secret(value: Any) -> Any:
    """A secret in JSON form: a string, or a dict of strings; None when it is not set."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {key: plain_secret(item) for key, item in value.items()} or None
    return value


@functools.cache
def secret_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Fields whose values are SecretStr, alone or inside a container (`dict[str, SecretStr]`)."""
    return tuple(name for name, field in model.model_fields.items() if _mentions(field.annotation, SecretStr))


@functools.cache
def server_path_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Fields of type ServerPath."""
    return tuple(name for name, schema in _properties(model).items() if _has_format(schema, SERVER_PATH))


def _path_problem(path: str | None, policy: ConfigPolicy) -> str | None:
    if path is None:
        return None
    if "://" in path:
        return "must be a path on the server, not an address"
    try:
        real = resolve_server_path(path, policy.folders)
    except InvalidInput as error:
        return f"{error.message} {error.hint}"
    if any(real.is_relative_to(own.resolve()) for own in policy.own_paths):
        return "belongs to Report Hub itself"
    return None


def _host_problem(host: Any, network: NetworkPolicy) -> str | None:
    """Only addresses: names are looked up when a connection is made, each time."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if network.allows(address) else "is a private or special address, which this server may not connect to"


def _secret_problem(value: Any, policy: ConfigPolicy) -> str | None:
    given = value.values() if isinstance(value, dict) else [value]
    if policy.requires_references and any(item is not None and not is_reference(item) for item in given):
        return "must be a reference (env:NAME or file:PATH): this server keeps no secrets"
    return reference_problem(value)


def _properties(model: type[BaseModel]) -> dict[str, Any]:
    properties: dict[str, Any] = model.model_json_schema().get("properties", {})
    return properties


def _has_format(schema: Any, wanted: str) -> bool:
    if not isinstance(schema, dict):
        return False
    return schema.get("format") == wanted or any(_has_format(option, wanted) for option in schema.get("anyOf", ()))


def _mentions(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(part, wanted) for part in typing.get_args(annotation))
