"""Fixtures for every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from raydocs_provider.emulator import Emulator


@pytest.fixture
def make_emulator() -> Iterator[Callable[..., Emulator]]:
    """Starts emulators that run until the test ends: quick and without a rate limit unless told otherwise."""
    from raydocs_provider.emulator import Emulator

    with ExitStack() as running:

        def start(**settings: Any) -> Emulator:
            quick = {"rate_limit": 0, "parse_seconds": 0, "extract_seconds": 0}
            return running.enter_context(Emulator(**{**quick, **settings}))

        yield start


@pytest.fixture
def emulator(make_emulator: Callable[..., Emulator]) -> Emulator:
    """A Raydocs of the seed generation that takes no time."""
    return make_emulator()
