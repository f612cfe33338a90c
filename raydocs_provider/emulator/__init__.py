"""
A local Raydocs to test Dags against: ``python -m raydocs_provider.emulator``, or in a test::

    from raydocs_provider.emulator import Emulator

    with Emulator(parse_seconds=0, extract_seconds=0) as emulator:
        ...  # emulator.url, emulator.token

It reads the documents it is given, behaves as the API's pages say, and can be told to fail. Needs the extra
``emulator``. Importing this package imports nothing else: FastAPI and uvicorn load with the first name taken from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raydocs_provider.emulator.options import EmulatorOptions, Span, Token
    from raydocs_provider.emulator.server import Emulator

__all__ = ["Emulator", "EmulatorOptions", "Span", "Token"]

_HOMES = {"Emulator": "server", "EmulatorOptions": "options", "Span": "options", "Token": "options"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
