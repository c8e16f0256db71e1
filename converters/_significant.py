"""How many digits of a number count: most readers keep 15."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

DIGITS = 15
"""A double, so a spreadsheet and most readers of JSON, keeps this many significant digits."""


def has_few_digits(texts: pa.Array) -> pa.Array:
    """Which plain decimal numbers have at most 15 significant digits; zeros at the end of a fraction do not count."""
    digits = pc.replace_substring_regex(texts, r"(\.\d*?)0+$", r"\1")
    digits = pc.replace_substring_regex(digits, r"^-?[0.]*|\.", "")
    return pc.less_equal(pc.binary_length(digits), DIGITS)
