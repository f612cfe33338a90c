"""What tests tell the emulator while it runs. Served only with ``--admin``; no token is asked for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from raydocs_provider.emulator.access import TheBackend
from raydocs_provider.emulator.errors import invalid
from raydocs_provider.emulator.faults import Fault
from raydocs_provider.emulator.front import ADMIN, Front

router = APIRouter(prefix=ADMIN)


async def front(request: Request) -> Front:
    """The front of this application."""
    found = request.app.state.front
    assert isinstance(found, Front)
    return found


TheFront = Annotated[Front, Depends(front)]


@router.post("/faults")
async def add_fault(front: TheFront, rule: dict[str, Any]) -> Response:
    """Put a rule in force: the fields of :class:`~raydocs_provider.emulator.faults.Fault`."""
    try:
        front.faults.add(Fault(**rule))
    except (TypeError, ValueError) as error:
        raise invalid({"rule": [str(error)]}) from None
    return Response(status_code=204)


@router.delete("/faults")
async def clear_faults(front: TheFront) -> Response:
    """Lift all rules."""
    front.faults.clear()
    return Response(status_code=204)


@router.get("/requests")
async def list_requests(front: TheFront) -> Response:
    """The requests so far, oldest first."""
    return JSONResponse({"data": [asdict(request) for request in front.log]})


@router.post("/reset")
async def reset(backend: TheBackend, front: TheFront) -> Response:
    """Forget all workspaces with what is in them, all faults and the log."""
    backend.store.clear()
    front.clear()
    return Response(status_code=204)
