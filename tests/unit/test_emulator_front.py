"""The parts that stand before the emulator's endpoints: rate limit, fault rules, signatures, order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.emulator.faults import Fault, Faults
from raydocs_provider.emulator.limits import FixedWindow
from raydocs_provider.emulator.order import shuffled
from raydocs_provider.emulator.storage import Signer


def test_a_window_lets_its_limit_through_and_opens_again_after_a_minute():
    window = FixedWindow(2)
    assert [window.hit("a", now).allowed for now in (0, 1, 2, 59.9, 60, 61, 62)] == [1, 1, 0, 0, 1, 1, 0]


def test_addresses_do_not_share_a_window():
    window = FixedWindow(1)
    assert window.hit("a", 0).allowed
    assert window.hit("b", 0).allowed


def test_a_refusal_says_when_to_come_back_unless_told_not_to():
    window = FixedWindow(1)
    assert window.hit("a", 0).headers(0, retry_after=True) == {"X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0"}
    refused = window.hit("a", 10.5)
    assert refused.headers(10.5, retry_after=True)["Retry-After"] == "50"
    assert "Retry-After" not in refused.headers(10.5, retry_after=False)


@given(st.lists(st.floats(0, 600), max_size=200).map(sorted), st.integers(1, 20))
def test_no_minute_that_begins_with_a_window_sees_more_than_the_limit(moments: list[float], limit: int):
    window = FixedWindow(limit)
    passed: dict[float, int] = {}
    for now in moments:
        verdict = window.hit("a", now)
        assert 0 <= verdict.remaining <= limit
        if verdict.allowed:
            passed[verdict.resets_at] = passed.get(verdict.resets_at, 0) + 1
    assert all(count <= limit for count in passed.values())


def strikes(fault: Fault, calls: int) -> list[bool]:
    faults = Faults()
    faults.add(fault)
    return [faults.strike("GET", "/workspaces") is not None for _ in range(calls)]


def test_a_rule_strikes_from_the_nth_matching_call_as_often_as_it_says():
    assert strikes(Fault("drop"), 3) == [True, False, False]
    assert strikes(Fault("drop", nth=2, count=2), 4) == [False, True, True, False]
    assert strikes(Fault("drop", nth=2, count=0), 4) == [False, True, True, True]


def test_a_rule_strikes_only_what_it_matches():
    fault = Fault("drop", method="post", path=r"/sessions/batch$")
    assert fault.matches("POST", "/extractions/templates/x/sessions/batch")
    assert not fault.matches("GET", "/extractions/templates/x/sessions/batch")
    assert not fault.matches("POST", "/extractions/templates/x/sessions/batch/execute")


def test_of_two_rules_the_first_strikes_and_both_count():
    faults = Faults()
    faults.add(Fault("drop"))
    faults.add(Fault("html", nth=2))
    struck = [faults.strike("GET", "/"), faults.strike("GET", "/"), faults.strike("GET", "/")]
    assert [fault and fault.kind for fault in struck] == ["drop", "html", None]


@pytest.mark.parametrize(
    "rule", [{"kind": "explode"}, {"nth": 0}, {"count": -1}, {"delay": -1}, {"path": "("}], ids=str
)
def test_a_rule_that_makes_no_sense_is_refused(rule):
    with pytest.raises(ValueError):
        Fault(**{"kind": "drop", **rule})


def split(url: str) -> dict[str, str]:
    expires, signature = url.partition("?")[2].split("&")
    return {"expires": expires.partition("=")[2], "signature": signature.partition("=")[2]}


def test_a_signature_permits_one_method_on_one_path_with_one_content_type_until_it_expires():
    signer = Signer(b"secret")
    url = signer.url("http://host/", "PUT", "/__storage__/tmp/a", content_type="application/pdf", expires=100)
    assert url.startswith("http://host/__storage__/tmp/a?")
    good = {**split(url), "now": 100, "method": "PUT", "path": "/__storage__/tmp/a", "content_type": "application/pdf"}
    assert signer.refuses(**good) is None
    assert signer.refuses(**{**good, "now": 100.1}) == "AccessDenied"
    for changed in (
        {"method": "GET"},
        {"path": "/__storage__/tmp/b"},
        {"content_type": "image/png"},
        {"content_type": ""},
        {"expires": "101"},
        {"signature": "0" * 64},
    ):
        assert signer.refuses(**{**good, **changed}) == "SignatureDoesNotMatch"
    assert signer.refuses(**{**good, "signature": ""}) == "AccessDenied"
    assert signer.refuses(**{**good, "expires": "soon"}) == "AccessDenied"
    assert Signer(b"other").refuses(**good) == "SignatureDoesNotMatch"


@given(st.lists(st.integers(), unique=True))
def test_another_order_has_the_same_rows_and_is_another_order(rows: list[int]):
    other = shuffled(rows)
    assert sorted(other) == sorted(rows)
    assert len(rows) < 2 or other != rows
