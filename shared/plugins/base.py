"""What connectors, converters and deliverers have in common: a kind, a title, a configuration model."""

from __future__ import annotations

import importlib.util
from abc import ABC
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

SERVER_PATH = "server-path"
ServerPath = Annotated[str, Field(min_length=1, max_length=4096, json_schema_extra={"format": SERVER_PATH})]
"""A path on the server. The engine resolves it and refuses what lies outside the allowed folders before the plug-in
is made, so a plug-in gets an absolute real path."""


class PluginConfig(BaseModel):
    """A plug-in's configuration: validates input, drives forms and docs; SecretStr fields are encrypted at rest.

    Every field has a title and a description. Unknown keys are refused, values are never coerced into another
    type, and validation errors never repeat what was submitted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


class NoConfig(PluginConfig):
    """For plug-ins that have nothing to configure."""


ConfigT = TypeVar("ConfigT", bound=PluginConfig)


class Plugin(ABC, Generic[ConfigT]):
    """Base of the three plug-in types.

    Attributes:
        kind: what people write in `type`, `method` or `formats`; equal to the file name.
        title: what people read.
        config_model: the plug-in's configuration.
        drivers: importable modules that the plug-in needs beyond the core; missing ones are shown as not installed.
        extra: the extra of the distribution that installs them; default: the kind.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    config_model: ClassVar[type[PluginConfig]] = NoConfig
    drivers: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str | None] = None

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @classmethod
    def install_line(cls) -> str:
        return f'pip install "report-hub[{cls.extra or cls.kind}]"'

    @classmethod
    def missing_drivers(cls) -> list[str]:
        """Names of drivers that are not installed. Looks, does not import."""
        return [name for name in cls.drivers if not _is_importable(name)]

    @classmethod
    def config_schema(cls) -> dict[str, Any]:
        """JSON Schema (2020-12) of the configuration."""
        return cls.config_model.model_json_schema()


def _is_importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
