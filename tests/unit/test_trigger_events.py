"""What a trigger tells the task that goes on after it."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any, cast

import pytest

from raydocs_provider import exceptions
from raydocs_provider.exceptions import RaydocsError
from raydocs_provider.triggers.events import check_event, push_manifest

MANIFEST = {"schema_version": 1}
ERRORS = [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, RaydocsError)]


@pytest.mark.parametrize(("status", "finished"), [("finished", True), ("deadline", False)])
def test_an_event_brings_the_manifest_and_whether_all_sessions_ended(status: str, finished: bool) -> None:
    assert check_event({"status": status, "manifest": MANIFEST}) == (MANIFEST, finished)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_is_raised_again_as_what_it_was(kind: type[RaydocsError]) -> None:
    with pytest.raises(RaydocsError, match="what the trigger met") as raised:
        check_event({"status": "error", "error_type": kind.__name__, "error": "what the trigger met"})
    assert type(raised.value) is kind


@pytest.mark.parametrize("name", ["Mapping", "annotations", "__name__", "ValueError", "NoSuchError", "", None, 5])
def test_an_error_of_an_unknown_name_is_an_error_all_the_same(name: Any) -> None:
    with pytest.raises(RaydocsError, match="something new") as raised:
        check_event({"status": "error", "error_type": name, "error": "something new"})
    assert type(raised.value) is RaydocsError


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "finished",
        {},
        {"status": None},
        {"status": "paused", "manifest": MANIFEST},
        {"status": "finished"},
        {"status": "deadline", "manifest": None},
        {"status": ["finished"], "manifest": MANIFEST},
    ],
)
def test_an_event_nobody_knows_is_no_success(event: Any) -> None:
    with pytest.raises(RaydocsError, match="an event this version does not know"):
        check_event(event)


def test_the_manifest_of_a_failing_task_is_left_where_a_return_value_would_be() -> None:
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    push_manifest(cast("Any", {"ti": ti}), {"counts": {}})
    assert pushed == {"return_value": {"counts": {}}}
