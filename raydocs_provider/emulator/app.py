"""Puts the API together: routes over a backend, behind the front."""

from __future__ import annotations

from fastapi import FastAPI

from raydocs_provider.emulator import errors
from raydocs_provider.emulator.backend import Backend
from raydocs_provider.emulator.front import Front, HangUp
from raydocs_provider.emulator.routes import (
    admin,
    batch,
    documents,
    library,
    results,
    sessions,
    storage,
    templates,
    workspaces,
)
from raydocs_provider.emulator.shapes import Shapes


def build_app(backend: Backend, hang_up: HangUp) -> Front:
    """
    The ASGI application of one emulator.

    :param hang_up: closes the connection of a client, for the faults that cut one.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.backend = backend
    app.state.shapes = Shapes(backend.behaviour)
    errors.install(app)
    layers = [workspaces, templates, sessions, batch, results, documents, storage]
    for layer in layers:
        app.include_router(layer.router)
    # The pages of the old generation know no workspace library, those of the new one no upload by key and filename.
    if backend.options.generation != "old":
        app.include_router(sessions.library_router)
        app.include_router(library.router)
    if backend.options.generation != "new":
        app.include_router(sessions.old_router)
    front = Front(app, backend, hang_up)
    if backend.options.admin:
        app.state.front = front
        app.include_router(admin.router)
    return front
