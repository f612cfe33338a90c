"""Who is calling, what they may do, and the things that their paths name. Used as FastAPI dependencies."""

from __future__ import annotations

import hmac
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from raydocs_provider.emulator.backend import Backend
from raydocs_provider.emulator.errors import Refusal, not_found
from raydocs_provider.emulator.options import Token
from raydocs_provider.emulator.records import Document, Run, Session, Template, Workspace

Thing = TypeVar("Thing")


async def backend(request: Request) -> Backend:
    """The emulator behind the application."""
    found = request.app.state.backend
    assert isinstance(found, Backend)
    return found


TheBackend = Annotated[Backend, Depends(backend)]


def bearer(tokens: tuple[Token, ...], authorization: str | None) -> Token | None:
    """The token that an Authorization header carries; None if it is none of ours."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    given = value.strip().encode()
    return next((token for token in tokens if hmac.compare_digest(token.value.encode(), given)), None)


async def caller(request: Request, backend: TheBackend) -> Token:
    """The token of the request."""
    token = bearer(backend.options.tokens, request.headers.get("authorization"))
    if token is None:
        raise Refusal(401, "Unauthenticated.")
    return token


Caller = Annotated[Token, Depends(caller)]


def needs(*abilities: str) -> Any:
    """A dependency that lets only tokens with all of these abilities pass."""

    async def check(backend: TheBackend, caller: Caller) -> None:
        granted = caller.abilities
        if backend.behaviour.write_implies_read:
            granted |= {ability.replace("-write", "-read") for ability in granted}
        if missing := [ability for ability in abilities if ability not in granted]:
            raise Refusal(403, f"Invalid ability provided. This needs {' and '.join(missing)}.")

    return Depends(check)


async def owned_workspace(backend: TheBackend, caller: Caller, workspace_id: str) -> Workspace:
    """The workspace in the path."""
    return _found(backend.store.workspace(caller.owner, workspace_id))


async def owned_template(backend: TheBackend, caller: Caller, template_id: str) -> Template:
    """The template in the path."""
    return _found(backend.store.template(caller.owner, template_id))


async def owned_session(backend: TheBackend, caller: Caller, session_id: str) -> Session:
    """The session in the path."""
    return _found(backend.store.session(caller.owner, session_id))


async def owned_document(backend: TheBackend, caller: Caller, document_id: str) -> Document:
    """The document in the path."""
    return _found(backend.store.document(caller.owner, document_id))


async def owned_run(backend: TheBackend, caller: Caller, result_id: str) -> Run:
    """The run in the path, if a client may see it yet."""
    run = _found(backend.store.run(caller.owner, result_id))
    if not backend.look_at_run(run).visible(backend.behaviour):
        raise not_found()
    return run


OwnedWorkspace = Annotated[Workspace, Depends(owned_workspace)]
OwnedTemplate = Annotated[Template, Depends(owned_template)]
OwnedSession = Annotated[Session, Depends(owned_session)]
OwnedDocument = Annotated[Document, Depends(owned_document)]
OwnedRun = Annotated[Run, Depends(owned_run)]


def _found(thing: Thing | None) -> Thing:
    if thing is None:
        raise not_found()
    return thing
