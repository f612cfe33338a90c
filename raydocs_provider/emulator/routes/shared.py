"""What several modules of endpoints need."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict

from raydocs_provider.emulator.access import TheBackend
from raydocs_provider.emulator.errors import invalid
from raydocs_provider.emulator.options import Token
from raydocs_provider.emulator.records import Session, Template, Upload
from raydocs_provider.emulator.shapes import Shapes

PER_PAGE = 15

Row = TypeVar("Row")


class Payload(BaseModel):
    """A request body. Unknown keys are ignored, as Laravel does."""

    model_config = ConfigDict(strict=True)


class SessionSettings(Payload):
    """The settings of a session; keys the emulator does not know are kept."""

    model_config = ConfigDict(strict=True, extra="allow")

    auto_extract: bool = False


class SessionIds(Payload):
    """The sessions that a batch operation is about."""

    session_ids: list[str]


async def shapes(request: Request) -> Shapes:
    """How this emulator prints things."""
    found = request.app.state.shapes
    assert isinstance(found, Shapes)
    return found


async def page_number(page: str = "1") -> int:
    """The page asked for; the first one if that makes no sense, as Laravel's paginator has it."""
    return max(1, int(page)) if page.isdecimal() and len(page) < 10 else 1


TheShapes = Annotated[Shapes, Depends(shapes)]
PageNumber = Annotated[int, Depends(page_number)]


def paged(rows: Sequence[Row], page: int, per_page: int, shape: Callable[[Row], Any]) -> dict[str, Any]:
    """One page of rows, shaped, and where it stands among the others."""
    start = (page - 1) * per_page
    return {
        "data": [shape(row) for row in rows[start : start + per_page]],
        "meta": {
            "current_page": page,
            "last_page": max(1, math.ceil(len(rows) / per_page)),
            "per_page": per_page,
            "total": len(rows),
        },
    }


def uploads_of(backend: TheBackend, caller: Token, keys: Sequence[str], field: str) -> list[Upload]:
    """
    What was uploaded under keys of this user.

    :param field: where the keys stand in the body; names the bad ones in the 422.
    """
    found = [backend.store.upload(key) for key in keys]
    good = [upload for upload in found if upload and upload.sha256 and upload.owner == caller.owner]
    if len(good) < len(keys):
        known = {upload.key for upload in good}
        bad = [index for index, key in enumerate(keys) if key not in known]
        raise invalid({f"{field}.{index}": [f"The file of {field}.{index} was not uploaded."] for index in bad})
    return good


def sessions_of(backend: TheBackend, caller: Token, template: Template, ids: Sequence[str]) -> list[Session]:
    """The sessions of a template that a batch operation names; 422 if one of them is not the template's."""
    found = [backend.store.session(caller.owner, session_id) for session_id in ids]
    good = [session for session in found if session and session.template_id == template.id]
    if len(good) < len(ids):
        known = {session.id for session in good}
        bad = [index for index, session_id in enumerate(ids) if session_id not in known]
        raise invalid({f"session_ids.{index}": [f"The selected session_ids.{index} is invalid."] for index in bad})
    return good
