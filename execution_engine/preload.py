"""Imported once by the fork server: every plug-in and every driver that is installed, so that workers start warm."""

from __future__ import annotations

import contextlib
import importlib
from typing import get_args

from shared.plugins import Family, plugins


def load_all() -> None:
    """Import all plug-ins and their drivers; one that is not installed is reported when it is used."""
    for family in get_args(Family):
        for plugin in plugins(family).values():
            for driver in plugin.drivers:
                with contextlib.suppress(ImportError):
                    importlib.import_module(driver)


load_all()
