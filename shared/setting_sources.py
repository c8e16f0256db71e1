"""How settings are written down: durations as text, and values that come from files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "REPORT_HUB_"


def _seconds(value: Any) -> Any:
    """Environment variables are text: `30` means seconds there, too."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value) else value


def _at_least(shortest: timedelta) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if value < shortest:
            raise ValueError(f"must be at least {shortest.total_seconds():g} seconds")
        return value

    return AfterValidator(check)


Grace = Annotated[timedelta, BeforeValidator(_seconds), _at_least(timedelta(0))]
Duration = Annotated[timedelta, BeforeValidator(_seconds), _at_least(timedelta(milliseconds=10))]
"""Long enough that what is done so often leaves the processor some rest."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for the content of a file that cannot be read, so that it is reported along with everything else."""

    variable: str
    reason: str

    def __str__(self) -> str:
        return f"the file that {self.variable} names cannot be read: {self.reason}"


class FileVariables(PydanticBaseSettingsSource):
    """`REPORT_HUB_X_FILE` holds the path of a file whose content is the setting X (container secrets)."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        if path is None:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError as error:
            return Unreadable(variable, error.strerror or "unknown reason"), field_name, False
        except ValueError:
            return Unreadable(variable, "it is no text in UTF-8"), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}
