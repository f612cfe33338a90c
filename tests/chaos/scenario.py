"""What a seed stands for: which documents, which Raydocs, which options, and everything that is going to go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal


@dataclass(frozen=True)
class Strike:
    """
    One thing that happens to the driver or to Raydocs.

    :param kind: ``kill``: SIGKILL as the request comes in; ``lose``: the connection is cut instead of an answer;
        ``restart``: Raydocs goes down and comes back after the request.
    :param after: how many requests after the strike before it.
    :param batches_only: counts only requests that are paid for.
    :param effect: whether the request still takes effect.
    """

    kind: Literal["kill", "lose", "restart"]
    after: int
    batches_only: bool
    effect: bool


@dataclass(frozen=True)
class SelfKill:
    """
    The driver kills itself where no request can: around a write of the ledger, or while it loads.

    :param where: ``ledger``: a batch is noted; ``file``: a file is written under ``results_path``; ``read``: the load
        reads a result; ``replace``: the rows of one table are replaced, in the transaction; ``land``: the whole load.
    :param number: the which one, counted from 1 over all starts.
    :param when: on which side of it.
    """

    where: Literal["ledger", "file", "read", "replace", "land"]
    number: int
    when: Literal["before", "after"]


@dataclass(frozen=True)
class Scenario:
    """
    Everything a seed decides.

    :param readable: documents that can be extracted, each with its own content.
    :param corrupt: documents that cannot be read.
    :param twins: documents whose content another one has as well.
    :param batch_size: documents per paid request.
    :param state_store: the ledger is kept in a store like Airflow's from 3.3; False: under ``results_path``.
    :param spool: there is a ``results_path``.
    :param bad_weather: share of the free answers that are errors, cut off or cut short.
    :param storm_every: every so many requests a storm of 429 begins; 0 for none.
    :param storm_length: how many answers a storm takes.
    :param retry_after: whether a storm says when to come back.
    :param clock_shifts: seconds the driver's clock is off, one for each of its starts, over and over.
    :param clock_jump: seconds by which the clock jumps in the middle of each start,
    :param clock_jumps_after: so many seconds after it.
    """

    seed: int
    readable: int
    corrupt: int
    twins: int
    batch_size: int
    warehouse: Literal["sqlite", "duckdb"]
    raydocs: dict[str, Any]
    durable_raydocs: bool
    state_store: bool
    spool: bool
    deferrable: bool
    on_partial_failure: str
    on_ambiguous_submit: str
    retry_failed: bool
    strikes: tuple[Strike, ...] = ()
    self_kills: tuple[SelfKill, ...] = ()
    bad_weather: float = 0.0
    storm_every: int = 0
    storm_length: int = 0
    retry_after: bool = False
    clock_shifts: tuple[float, ...] = field(default=(0.0,))
    clock_jump: float = 0.0
    clock_jumps_after: float = 0.0

    def summarize(self) -> str:
        """The scenario in a few words, for the line of its seed."""
        words = [
            f"{self.readable + self.corrupt + self.twins} documents",
            self.raydocs["generation"],
            "deferred" if self.deferrable else "sync",
            "store" if self.state_store else "files",
            self.warehouse,
            f"ambiguous={self.on_ambiguous_submit}",
        ]
        extras = {
            "no results_path": not self.spool,
            "shuffled": self.raydocs.get("shuffle_batch"),
            "retry_failed": self.retry_failed,
            f"{self.bad_weather:.0%} bad answers": self.bad_weather,
            f"429 storms {'with' if self.retry_after else 'without'} Retry-After": self.storm_every,
            "clock off": any(self.clock_shifts),
            "clock jumps": self.clock_jump,
        }
        return ", ".join([*words, *(text for text, holds in extras.items() if holds)])


def draw(seed: int, documents: int) -> Scenario:
    """
    The scenario of a seed.

    :param documents: about how many, twins included.
    """
    random = Random(seed)
    spool = random.random() < 0.85
    # Without a results_path the list of documents has to fit an XCom, and only a state store can keep a ledger.
    documents = documents if spool else min(documents, 80)
    state_store = not spool or random.random() < 0.6
    corrupt = max(1, documents // 25)
    twins = max(1, documents // 20)
    generation = random.choice(["seed", "seed", "new", "old"])
    raydocs: dict[str, Any] = {
        "generation": generation,
        "shuffle_batch": generation != "old" and random.random() < 0.4,
        "summaries": random.random() < 0.25,
        "vapor_real": random.random() < 0.25,
        "parse_seconds": random.choice(["0", "0.05-0.2"]),
        "extract_seconds": random.choice(["0", "0.1-0.5", "0.5-1"]),
    }
    batch_size = 50 if documents > 100 else 10
    strikes = _draw_strikes(random, documents)
    bad_weather = random.choice([0.0, 0.0, 0.3])
    stormy = random.random() < 0.25
    clock = random.random()
    retry_failed = random.random() < 0.3
    return Scenario(
        seed=seed,
        readable=documents - corrupt - twins,
        corrupt=corrupt,
        twins=twins,
        batch_size=batch_size,
        warehouse=random.choice(["sqlite", "duckdb"]),
        raydocs=raydocs,
        durable_raydocs=any(strike.kind == "restart" for strike in strikes) or random.random() < 0.2,
        state_store=state_store,
        spool=spool,
        deferrable=random.random() < 0.5,
        on_partial_failure="fail" if retry_failed else random.choice(["fail", "warn"]),
        on_ambiguous_submit=random.choice(["fail", "resubmit"]),
        retry_failed=retry_failed,
        strikes=strikes,
        self_kills=_draw_self_kills(random, documents, batch_size),
        bad_weather=bad_weather,
        storm_every=random.randint(100, 400) if stormy else 0,
        storm_length=random.randint(3, 8),
        retry_after=random.random() < 0.5,
        clock_shifts=tuple(random.choice([-90_000.0, -600.0, 0.0, 30.0, 90_000.0]) for _ in range(6))
        if clock < 0.25
        else (0.0,),
        clock_jump=random.choice([-3_600.0, 3_600.0]) if 0.2 < clock < 0.4 else 0.0,
        clock_jumps_after=random.uniform(0.5, 4.0),
    )


def _draw_strikes(random: Random, documents: int) -> tuple[Strike, ...]:
    strikes = []
    for _ in range(random.randint(0, 4)):
        kind = random.choice(["kill", "kill", "kill", "kill", "lose", "restart"])
        batches_only = kind == "lose" or (kind == "kill" and random.random() < 0.4)
        after = random.randint(1, 3) if batches_only else random.randint(1, 2 * documents)
        strikes.append(Strike(kind, after, batches_only, effect=random.random() < 0.5))
    return tuple(strikes)


def _draw_self_kills(random: Random, documents: int, batch_size: int) -> tuple[SelfKill, ...]:
    places: dict[Any, int] = {
        "ledger": 3 * documents // batch_size,
        "file": documents,
        "read": documents // 2,
        "replace": 4,
        "land": 1,
    }
    return tuple(
        SelfKill(where, random.randint(1, most), random.choice(["before", "after"]))
        for where, most in places.items()
        if random.random() < 0.2
    )
