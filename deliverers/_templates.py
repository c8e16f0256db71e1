"""Templates in configurations of deliverers: checked when they are saved, filled in for each parcel."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator

from shared.errors import DeliveryRefused, InvalidInput
from shared.plugins import Parcel
from shared.plugins.files import clean_file_name, clean_folder
from shared.templates import NAMES, check_template, render


class _KnownNames(frozenset[str]):
    """The common names, and every `param.<name>`: which parameters a report has is not known here."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and name.startswith("param."))


_KNOWN = _KnownNames(NAMES)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _is_template(text: str) -> str:
    try:
        check_template(text, _KNOWN)
    except InvalidInput as error:
        raise ValueError(error.message if error.hint is None else f"{error.message} {error.hint}") from error
    return text


def _is_folder(text: str) -> str:
    try:
        clean_folder(text)
    except InvalidInput as error:
        raise ValueError(error.message) from error
    return text


def _is_remote_folder(text: str) -> str:
    if "\\" in text or _CONTROL.search(text) or ".." in text.split("/"):
        raise ValueError("a folder must not contain .., backslashes or control characters")
    return text


Template = Annotated[str, AfterValidator(_is_template)]
FolderTemplate = Annotated[str, AfterValidator(_is_template), AfterValidator(_is_folder)]
"""A relative folder; each value fills one step at most, whatever it holds."""
RemoteFolder = Annotated[str, AfterValidator(_is_template), AfterValidator(_is_remote_folder)]
"""A folder of another system, absolute when it begins with /. Only values are cleaned: the rest is as it is there."""


def filled(template: str, parcel: Parcel, escape: Callable[[str], str] | None = None) -> str:
    """The template with the parcel's values.

    Raises:
        DeliveryRefused: the template uses a name that this report does not have.
    """
    try:
        return render(template, parcel.variables, escape)
    except InvalidInput as error:
        raise DeliveryRefused(
            f"A template of this delivery cannot be filled in: {error.message}", hint=error.hint
        ) from (error)


def folder_of(template: str, parcel: Parcel) -> PurePosixPath:
    """The relative folder of a parcel; `.` when the template is empty."""
    try:
        return clean_folder(filled(template, parcel, _step))
    except InvalidInput as error:
        raise DeliveryRefused("The folder template of this delivery leads outside.", hint=error.message) from error


def remote_folder_of(template: str, parcel: Parcel) -> str:
    """The folder of a parcel with single slashes and none at its end; empty when the template is."""
    steps = [step for step in filled(template, parcel, _step).split("/") if step not in ("", ".", "..")]
    return ("/" if template.startswith("/") else "") + "/".join(steps)


def fixed_part_of(template: str) -> str:
    """The leading steps of a remote folder's template that are the same for every parcel."""
    steps = []
    for step in template.replace("{{", "\0").replace("}}", "\1").split("/"):
        if "{" in step:
            break
        steps.append(step.replace("\0", "{").replace("\1", "}"))
    fixed = "/".join(step for step in steps if step not in ("", "."))
    return f"/{fixed}" if template.startswith("/") else fixed


def _step(value: str) -> str:
    return clean_file_name(value, "") if value.strip("./\\ ") else ""
