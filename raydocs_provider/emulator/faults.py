"""Rules that make the emulator misbehave on demand. No HTTP here: :mod:`front` carries them out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Kind = Literal["answer", "delay", "drop", "truncate", "html", "shuffle"]
KINDS: tuple[str, ...] = get_args(Kind)

GATEWAY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """
    A rule: which calls go wrong, and how.

    :param kind: ``answer`` (with ``status``, ``body``, ``headers``), ``delay`` (only late), ``drop`` (the connection is
        cut without an answer), ``truncate`` (the answer breaks off halfway), ``html`` (a gateway's 502 page) or
        ``shuffle`` (a JSON array comes in another order).
    :param method: HTTP method; default any.
    :param path: regular expression that is searched for in the path; default any.
    :param nth: the first matching call that goes wrong, counted from 1 since the rule was added.
    :param count: how many calls go wrong from there; 0 for all.
    :param after: ``answer``, ``drop`` and ``html`` only: the request takes effect first, its real answer is lost;
        ``delay``: the request takes effect first, its answer is what comes late.
    :param delay: seconds to wait first, whatever the kind.
    :param status: of ``answer``, default 500.
    :param body: of ``answer``; text is sent as it is, anything else as JSON.
    :param headers: of ``answer``.
    """

    kind: Kind
    method: str | None = None
    path: str = ""
    nth: int = 1
    count: int = 1
    after: bool = False
    delay: float = 0
    status: int = 500
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such kind of fault: {self.kind}; there are {', '.join(KINDS)}")
        if self.nth < 1 or self.count < 0 or self.delay < 0:
            raise ValueError("nth starts at 1; count and delay cannot be negative")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is not a regular expression: {error}") from None

    def matches(self, method: str, path: str) -> bool:
        """Whether the rule is about this call at all."""
        return (self.method is None or self.method.upper() == method) and re.search(self.path, path) is not None

    def strikes(self, call: int) -> bool:
        """Whether the rule makes its ``call``-th matching call go wrong."""
        return call >= self.nth and (self.count == 0 or call < self.nth + self.count)


class Faults:
    """The rules in force, and how often each has matched."""

    def __init__(self) -> None:
        self._rules: list[tuple[Fault, list[int]]] = []

    def add(self, fault: Fault) -> None:
        """Put a rule in force."""
        self._rules.append((fault, [0]))

    def clear(self) -> None:
        """Lift all rules."""
        self._rules.clear()

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault for this call: of the rules that apply the one added first. Every matching rule counts the call."""
        struck = None
        for fault, seen in self._rules:
            if fault.matches(method, path):
                seen[0] += 1
                if struck is None and fault.strikes(seen[0]):
                    struck = fault
        return struck
