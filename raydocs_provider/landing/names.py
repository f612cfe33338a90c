"""What tables and columns are called: made of the template's names, short enough for every engine, no two alike."""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from collections.abc import Iterable

from raydocs_provider.exceptions import RaydocsInputError

# PostgreSQL cuts longer names off in silence; the other engines allow as much or more.
MAX_NAME_BYTES = 63
SEPARATOR = "__"

Path = tuple[str, ...]

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def parse_table_name(table: str) -> tuple[str, ...]:
    """
    Split a target at its dots.

    :raises RaydocsInputError: more than three parts, a part that is empty or too long, surrounding blanks, control
        characters.
    """
    parts = tuple(table.split("."))
    if len(parts) > 3:
        raise RaydocsInputError(f"table={table!r} has {len(parts)} parts; at most database.schema.table is possible.")
    for part in parts:
        if not part or part != part.strip():
            raise RaydocsInputError(f"table={table!r} has a part that is empty or starts or ends with a blank.")
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in part):
            raise RaydocsInputError(f"table={table!r} has a control character in it.")
        if len(part.encode()) > MAX_NAME_BYTES:
            raise RaydocsInputError(f"table={table!r} has a part of more than {MAX_NAME_BYTES} bytes.")
    return parts


def assign_names(paths: Iterable[Path], taken: Iterable[str] = ()) -> dict[Path, str]:
    """
    One identifier per path: no two alike, whatever the order of the paths.

    Paths that normalise alike: the one already written that way keeps the name, else the first in code point order;
    the others get a hash of what they are really called.
    """
    assigned: dict[Path, str] = {}
    used = set(taken)
    late: list[Path] = []
    for path in sorted(paths, key=lambda path: (SEPARATOR.join(path) != _normalise(path), path)):
        name = shorten(_normalise(path))
        if name in used:
            late.append(path)
        else:
            assigned[path] = name
            used.add(name)
    for path in late:
        name = next(name for length in range(8, 65) if (name := _hashed(path, length)) not in used)
        assigned[path] = name
        used.add(name)
    return assigned


def _normalise(path: Path) -> str:
    """Lower case, runs of anything but letters and digits as ``_``, accents dropped, parts joined by ``__``."""
    return SEPARATOR.join(_normalise_part(part) for part in path) or "value"


def _normalise_part(part: str) -> str:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", part).casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", bare))
    return "_".join(words) or "x"


def _hashed(path: Path, length: int) -> str:
    digest = _digest("\0".join(path))[:length]
    # Room for the longest form of the name: what is cut off is in the hash.
    return f"{_cut(_normalise(path), MAX_NAME_BYTES - length - 1)}_{digest}"


def shorten(name: str) -> str:
    """The name if it is short enough, else as much of it as fits before a hash of all of it."""
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    return f"{_cut(name, MAX_NAME_BYTES - 9)}_{_digest(name)[:8]}"


def lower_ascii(name: str) -> str:
    """The name with small letters, as engines see it to which names that differ in the case of ASCII are the same."""
    return name.translate(_ASCII_LOWER)


def _cut(name: str, size: int) -> str:
    return name.encode()[:size].decode(errors="ignore")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
