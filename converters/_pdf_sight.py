"""Lines with right-to-left text in the order in which the eye meets their characters, from left to right."""

from __future__ import annotations

import functools
import re

MARK = "\U000e01ef"
"""Stands before a bracket that has to be turned: a mark that stays with its base, and that texts do not have."""


def in_sight_order(line: str, *, is_rtl: bool) -> str:
    """The line reordered; brackets within right-to-left text stand behind a MARK."""
    from bidi import get_display
    from bidi.mirror import MIRRORED

    base = "R" if is_rtl else "L"
    if MIRRORED.keys().isdisjoint(line):
        return str(get_display(line, base_dir=base))
    # A mark follows its base; after the reordering it stands before those that were turned around.
    marked = "".join(character + MARK if character in MIRRORED else character for character in line)
    shown = get_display(marked, base_dir=base)
    return _marked_bracket().sub(lambda found: found[1] or found[2], shown)


@functools.cache
def _marked_bracket() -> re.Pattern[str]:
    from bidi.mirror import MIRRORED

    return re.compile(f"({MARK}.)|([{re.escape(''.join(MIRRORED))}]){MARK}")
