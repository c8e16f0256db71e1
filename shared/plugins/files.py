"""Names and places of files: clean names, unique names, paths that stay inside their root."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from shared.errors import FieldProblem, InvalidInput

_MAX_BYTES = 200
"""Room for a suffix and for temporary names within the 255 bytes of common file systems."""
_SEPARATING = re.compile(r'[/\\:*?"<>|$`\x00-\x1f\x7f-\x9f\u2028\u2029]+')
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$?|conout\$?|clock\$?|(com|lpt)[0-9¹²³])\s*(\..*)?\Z", re.IGNORECASE)
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}


def clean_file_name(name: str, extension: str) -> str:
    """A name that every file system, mail client and shell takes as it is; never empty.

    Control, bidi and zero-width characters vanish, separators and shell characters become `_`, device names of
    Windows get a `_` in front, the extension is the format's, and 200 bytes of UTF-8 are the limit. Normal form: NFC.

    Args:
        name: with or without the extension.
        extension: without the dot.
    """
    # Normalised twice: some characters become separators (U+1FEF is a back-tick), others compose once what stood
    # between them is gone.
    text = _SEPARATING.sub("_", unicodedata.normalize("NFC", name))
    text = "".join(character for character in text if unicodedata.category(character) not in _INVISIBLE)
    text = unicodedata.normalize("NFC", text)
    ending = f".{extension}" if extension else ""
    stem = text[: -len(ending)] if ending and text.lower().endswith(ending.lower()) else text
    stem = _trimmed(" ".join(stem.split()))
    if _DEVICES.match(stem):
        stem = f"_{stem}"
    stem = _trimmed(_cut(stem, _MAX_BYTES - len(ending.encode())))
    return (stem or "report") + ending


def unique_names(names: Sequence[str]) -> list[str]:
    """The same names, repeated ones (whatever their case) with `-2`, `-3` … before the extension."""
    taken: set[str] = set()
    found = []
    for name in names:
        candidate, number = name, 1
        path = PurePosixPath(name)
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{path.stem}-{number}{path.suffix}"
        taken.add(candidate.casefold())
        found.append(candidate)
    return found


def clean_folder(relative: str) -> PurePosixPath:
    """A relative folder, each step cleaned; `..`, absolute paths and drive letters are refused.

    Raises:
        InvalidInput: it does not stay below its root.
    """
    steps = relative.replace("\\", "/").split("/")
    if relative.startswith(("/", "\\", "~")) or ".." in steps or re.match(r"[A-Za-z]:", relative) or "\x00" in relative:
        raise InvalidInput(
            "A folder must be relative and must not contain '..'.",
            hint="Write it like out/2026, without a drive or root.",
        )
    return PurePosixPath(*(clean_file_name(step, "") for step in steps if step not in ("", ".")))


def confine(root: Path, relative: str | PurePosixPath) -> Path:
    """The real path of `relative` below `root`, links followed.

    Raises:
        InvalidInput: it leads outside, or nowhere (a link that leads to itself, NUL).
    """
    real_root = root.resolve()
    path = _real(real_root / relative)
    if not path.is_relative_to(real_root):
        raise InvalidInput(
            "The path leads outside of the allowed folder.", hint="Name a file below it; links must stay below it too."
        )
    return path


def resolve_server_path(path: str, allowed_roots: Sequence[Path]) -> Path:
    """The real path of what a configuration names; a relative one is below the first root.

    Raises:
        InvalidInput: it lies outside all allowed folders, or leads nowhere.
    """
    if allowed_roots:
        real = _real(allowed_roots[0] / path)
        if any(real.is_relative_to(root.resolve()) for root in allowed_roots):
            return real
    message = "The path is outside of the folders that this server allows."
    raise InvalidInput(
        message,
        hint="Put the file there, or have the operator add its folder to REPORT_HUB_ALLOWED_FOLDERS.",
        details=[FieldProblem("path", message)],
    )


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # no access, a link to itself, NUL or half a surrogate
        message = "The path cannot be followed."
        raise InvalidInput(
            message,
            hint="Look for a link to itself, a folder without access, or a character that paths cannot hold.",
            details=[FieldProblem("path", message)],
        ) from error


def _trimmed(text: str) -> str:
    return text.strip(" ").rstrip(". ").lstrip("-~ ") if text.strip("._ ") else ""


def _cut(text: str, limit: int) -> str:
    """At most `limit` bytes. Two long names that differ only in what is cut off (a date stands at the end) must not
    become one, so a cut name ends with a part of the hash of the whole."""
    if len(text.encode()) <= limit:
        return text
    mark = "~" + hashlib.sha256(text.encode()).hexdigest()[:8]
    return text.encode()[: limit - len(mark)].decode(errors="ignore").rstrip() + mark
