"""Finds plug-ins by kind: our own by file name, other people's by entry point. Listing imports no driver."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import Any, Literal, overload

import structlog

from shared.errors import FieldProblem, InvalidInput, MissingDriver
from shared.plugins.base import Plugin
from shared.plugins.connector import Connector
from shared.plugins.converter import Converter
from shared.plugins.deliverer import Deliverer

Family = Literal["connector", "converter", "deliverer"]

_BASES: dict[str, type[Plugin[Any]]] = {
    "connector": Connector,
    "converter": Converter,
    "deliverer": Deliverer,
}
_FIELD = {"connector": "type", "converter": "formats", "deliverer": "method"}


@functools.cache
def plugins(family: Family) -> dict[str, type[Plugin[Any]]]:
    """All plug-ins of a family by kind. Entry points (`report_hub.<family>s`) may add kinds, not replace ours.

    One that cannot be loaded, or takes a name of ours, is left out with a line in the log.
    """
    base = _BASES[family]
    package = importlib.import_module(f"{family}s")
    found: dict[str, type[Plugin[Any]]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("_") or module.ispkg:
            continue
        found |= _kinds_in(importlib.import_module(f"{package.__name__}.{module.name}"), base)
    taken = {name for plugin in found.values() for name in _names(plugin)}
    for entry in entry_points(group=f"report_hub.{family}s"):
        try:
            plugin = entry.load()
            if not issubclass(plugin, base) or _names(plugin) & taken:
                raise TypeError(f"it is no {family}, or its name is taken")
        except Exception as error:  # noqa: BLE001 - other people's code: whatever is wrong with it, ours goes on
            structlog.get_logger().error("plug-in left out", entry_point=entry.value, error=repr(error))
            continue
        found[plugin.kind] = plugin
        taken |= _names(plugin)
    return dict(sorted(found.items()))


def _names(plugin: type[Plugin[Any]]) -> set[str]:
    """What people may call it: its kind, and a converter's extension."""
    return {plugin.kind, plugin.extension} if issubclass(plugin, Converter) else {plugin.kind}


def _kinds_in(module: Any, base: type[Plugin[Any]]) -> dict[str, type[Plugin[Any]]]:
    return {
        value.kind: value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == module.__name__
        and hasattr(value, "kind")
    }


@overload
def load(family: Literal["connector"], kind: str) -> type[Connector[Any]]: ...
@overload
def load(family: Literal["converter"], kind: str) -> type[Converter[Any]]: ...
@overload
def load(family: Literal["deliverer"], kind: str) -> type[Deliverer[Any]]: ...
def load(family: Family, kind: str) -> type[Plugin[Any]]:
    """The plug-in class of that kind. A converter is also found by its extension (`xlsx` for excel).

    Raises:
        InvalidInput: there is no such kind; the message lists those that exist.
    """
    known = plugins(family)
    if kind in known:
        return known[kind]
    if family == "converter":
        for plugin in known.values():
            if issubclass(plugin, Converter) and plugin.extension == kind:
                return plugin
    kinds = format_names() if family == "converter" else list(known)
    message = f"There is no {family} of this kind. Known: {', '.join(kinds)}."
    raise InvalidInput(message, details=[FieldProblem(_FIELD[family], message)])


def format_names() -> list[str]:
    """What people may write in `formats`: the extensions of all converters."""
    return sorted(p.extension for p in plugins("converter").values() if issubclass(p, Converter))


def require_drivers(plugin: type[Plugin[Any]]) -> None:
    """Raise MissingDriver, with the install line, unless all drivers of the plug-in are there."""
    missing = plugin.missing_drivers()
    if missing:
        raise MissingDriver(
            f"{plugin.title} needs {', '.join(missing)}, which is not installed on this server.",
            hint=f"Install it with: {plugin.install_line()}",
        )
