"""What Databricks calls its errors, and what to do about them."""

from __future__ import annotations

import re

#: Codes of a table that is not there.
NOT_FOUND = ("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND")

# An error begins with its code, which the server or its driver may put the name of an exception before.
_CODE = re.compile(r"(?:[\w.$]+Exception: )*(?:Error running query: )?\[([A-Z][A-Z0-9_.]*)\]")
_CONFLICT = "DELTA_CONCURRENT_"

_RIGHTS = (
    "the connection needs CAN USE on the warehouse; USE CATALOG, USE SCHEMA, SELECT and MODIFY; CREATE TABLE on the "
    "schema for what is missing; READ VOLUME and WRITE VOLUME where a volume is named"
)
_NAMES = "write the table as catalog.schema.table; the catalog and the schema have to exist before the load"
_HINTS = {
    "INSUFFICIENT_PERMISSIONS": _RIGHTS,
    "PERMISSION_DENIED": _RIGHTS,
    "NO_SUCH_CATALOG_EXCEPTION": _NAMES,
    "CATALOG_NOT_FOUND": _NAMES,
    "SCHEMA_NOT_FOUND": _NAMES,
    "TABLE_OR_VIEW_NOT_FOUND": "the table was dropped, or the connection may not see it; run the load again",
    "REQUIRES_SINGLE_PART_NAMESPACE": "without Unity Catalog tables are schema.table",
}
#: Codes that come again until a person has changed something.
FINAL = frozenset(_HINTS) - {"TABLE_OR_VIEW_NOT_FOUND"}
_AGAIN = "somebody else has changed the same table; run the load again"


def code_of(error: BaseException) -> str:
    """What Databricks calls its error; empty if it does not say. The rest of its message may quote values."""
    match = _CODE.match(str(getattr(error, "message", None) or ""))
    return match.group(1) if match else ""


def is_conflict(error: BaseException) -> bool:
    """Whether somebody else has written to the same table at the same time."""
    return code_of(error).startswith(_CONFLICT)


def hint_of(error: BaseException) -> str:
    """The code of an error, and what to do about it."""
    code = code_of(error)
    advice = _AGAIN if is_conflict(error) else _HINTS.get(code)
    return f"{code} ({advice})" if advice else code
