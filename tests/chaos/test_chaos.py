"""A few small seeds of the chaos suite; ``make chaos`` runs a hundred large ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.running import private_airflow, run_seed
from tests.chaos.scenario import draw

# Chosen for what happens in them; test_the_seeds_between_them_cover_what_can_go_wrong holds them to it.
SEEDS = (1, 4, 42, 46)
DOCUMENTS = 40


@pytest.fixture(scope="module")
def airflow_home() -> Iterator[None]:
    with private_airflow():
        yield


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_that_is_killed_again_and_again_lands_everything_once(airflow_home: None, seed: int) -> None:
    verdict = run_seed(seed, DOCUMENTS)
    assert not verdict.violations, f"\n{verdict}"


def test_the_seeds_between_them_cover_what_can_go_wrong() -> None:
    scenarios = [draw(seed, DOCUMENTS) for seed in SEEDS]
    for name in ("deferrable", "state_store", "spool", "warehouse", "on_ambiguous_submit", "retry_failed"):
        assert len({getattr(scenario, name) for scenario in scenarios}) == 2, name
    assert {scenario.raydocs["generation"] for scenario in scenarios} == {"seed", "new", "old"}
    assert {strike.kind for scenario in scenarios for strike in scenario.strikes} == {"kill", "lose", "restart"}
    places = {kill.where for scenario in scenarios for kill in scenario.self_kills}
    assert places == {"ledger", "file", "read", "replace", "land"}
    assert any(scenario.bad_weather for scenario in scenarios)
    assert any(scenario.storm_every for scenario in scenarios)
    assert any(scenario.raydocs["shuffle_batch"] for scenario in scenarios)
    assert any(any(scenario.clock_shifts) for scenario in scenarios)
