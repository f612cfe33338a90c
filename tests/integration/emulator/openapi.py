"""The API's description, reduced to what the emulator serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DOCUMENT = Path(__file__).parents[2] / "data" / "raydocs-openapi.yaml"
# A provider needs none of these, and the emulator has none of them.
LEFT_OUT = {"Workspace Users", "Workflows"}
METHODS = ("get", "post", "put", "delete")


def served() -> dict[str, Any]:
    """The OpenAPI document without the operations that the emulator leaves out."""
    document = yaml.safe_load(DOCUMENT.read_text())
    for path, item in list(document["paths"].items()):
        for method in METHODS:
            if method in item and LEFT_OUT & set(item[method]["tags"]):
                del item[method]
            elif method in item:
                _allow_refusals(item[method], "{" in path)
        if not any(method in item for method in METHODS):
            del document["paths"][path]
    return document


def _allow_refusals(operation: dict[str, Any], names_a_thing: bool) -> None:
    """
    Add the refusals that the API's introduction gives for every operation and the pages then list for some.

    400 and 422 wherever there is a body, 404 wherever the path names a thing that may be somebody else's.
    """
    error = {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    statuses = (["400", "422"] if "requestBody" in operation else []) + (["404"] if names_a_thing else [])
    for status in statuses:
        operation["responses"].setdefault(status, error)


def operations() -> list[tuple[str, str, list[str]]]:
    """Method, path and the abilities needed, of each operation that is served."""
    return [
        (method.upper(), path, item[method]["x-ability"])
        for path, item in served()["paths"].items()
        for method in METHODS
        if method in item
    ]
