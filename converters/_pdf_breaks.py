"""Where texts are broken into lines, for all rows at once."""

from __future__ import annotations

import numpy as np

from converters._pdf_font import Codes, Units
from converters._pdf_scripts import line_ends

NOWHERE: Units = np.empty(0, np.int64)


def cuts(codes: Codes) -> Units:
    """Places within text of scripts without spaces before which a line may end."""
    is_free, is_not_first, is_not_last = line_ends()
    free = is_free[codes]
    if not free.any():
        return NOWHERE
    is_cut = (free[1:] | free[:-1]) & ~is_not_first[codes[1:]] & ~is_not_last[codes[:-1]]
    return np.flatnonzero(is_cut) + 1


def broken(
    rows: Units, offsets: Units, edges: Units, limit: int, feeds: Units, spaces: Units, free: Units = NOWHERE
) -> tuple[Units, Units, Units]:
    """The first line of all given rows, then the second of those that have one, and so on.

    A line ends at a line feed or a space, which are dropped, or before a place in `free`, or within a word that is
    longer than `limit`.
    """
    end_of_text = np.int64(edges.size)
    feeds = np.append(feeds, end_of_text)
    start, end = offsets[rows], offsets[rows + 1]
    found: list[tuple[Units, Units, Units]] = []
    while rows.size:
        fitting = np.searchsorted(edges, edges[start] + limit, "right") - 1
        fitting = np.maximum(np.minimum(fitting, end), np.minimum(start + 1, end))
        feed = feeds[np.searchsorted(feeds, start)]
        space, cut = _last(spaces, fitting), _last(free, fitting)
        ends_at_feed = (feed <= fitting) & (feed < end)
        is_short = ~ends_at_feed & (fitting < end)
        ends_at_space = is_short & (space > start) & (space >= cut)
        ends_at_cut = is_short & (cut > start) & (cut > space)
        stop = np.where(ends_at_feed, feed, np.where(ends_at_space, space, np.where(ends_at_cut, cut, fitting)))
        found.append((rows, start, stop))
        following = stop + (ends_at_feed | ends_at_space)
        # A line feed at the very end begins a line of its own: an empty one, which nobody misses.
        goes_on = following < end
        rows, start, end = rows[goes_on], following[goes_on], end[goes_on]
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))  # type: ignore[return-value]


def _last(places: Units, limits: Units) -> Units:
    """The last of the places up to each limit, -1 where there is none."""
    if not places.size:
        return np.full(limits.shape, -1)
    before = np.searchsorted(places, limits, "right") - 1
    return np.where(before >= 0, places[before], -1)
