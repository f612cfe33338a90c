"""What landing takes, next to the least that could be done with the same documents."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.databases import BARE, CONN_ID, open_mysql, open_postgres
from benchmarks.dlt_merge import merge_with_dlt
from benchmarks.figures import Bar, Figure
from benchmarks.landing_documents import ROWS_EACH
from benchmarks.landing_loads import BATCH, BATCHES, time_insert_rows, time_loads, weigh_load
from benchmarks.surroundings import say, start_process

DOCUMENTS = 20_000
ROUNDS = 5
# For engines that nothing is compared with.
FEWER_ROUNDS = 2
# When DuckDB writes and gives memory back differs from load to load.
WEIGHED = 5
# Documents for `insert_rows`, which would take from minutes to hours for all.
INSERTED = {"postgres": 500, "duckdb": 20}


def measure_landing(folder: Path, documents: int = DOCUMENTS, rounds: int = ROUNDS) -> Iterator[Figure]:
    """
    Land documents into new tables of each database, in turns with bare inserts of the same rows.

    :param rounds: how often each; the best counts, because whatever else the machine does only adds to it.
    """
    with open_postgres() as postgres:
        yield from measure_engine(folder, "postgres", postgres, documents, rounds)
    for engine, times in (("duckdb", rounds), ("sqlite", min(rounds, FEWER_ROUNDS))):
        file = {"conn_type": engine, "host": str(folder / f"landing.{engine}")}
        yield from measure_engine(folder, engine, file, documents, times)
    with open_mysql() as mysql:
        if mysql is None:
            say("No MariaDB or MySQL at 127.0.0.1:3306 that lets root in without a password: not measured.")
        else:
            yield from measure_engine(folder, "mysql", mysql, documents, min(rounds, FEWER_ROUNDS))


def measure_engine(
    folder: Path, engine: str, connection: Mapping[str, Any], documents: int, rounds: int
) -> Iterator[Figure]:
    """
    Land into one database.

    :param folder: for what others leave behind.
    :param connection: of Airflow.
    """
    say(f"Landing {documents} documents into {engine} {rounds} times, and what that is measured against ...")
    with start_process(CONN_ID, connection) as process:
        times = process.submit(time_loads, engine, documents, rounds).result()
    wall = {what: [took.wall for took in each] for what, each in times.items()}
    best = {what: min(seconds) for what, seconds in wall.items()}
    load = best["load"]
    context = {
        "documents": documents,
        "rows": ROWS_EACH * documents,
        "best_of": rounds,
        "seconds": load,
        "median_seconds": statistics.median(wall["load"]),
        "cpu_seconds": min(took.cpu for took in times["load"]),
    }
    if engine in BARE:
        bare = {f"{what}_seconds": best[what] for what in ("bare", "unindexed", "encoded")}
        yield Figure(f"landing_{engine}", load / best["bare"], "x bare insert", Bar("<=", 1.3), context | bare)
        by_hand = {"seconds": best["by_hand"]}
        yield Figure(f"landing_{engine}_over_by_hand", load / best["by_hand"], "x by hand", None, by_hand)
        yield _compare_insert_rows(engine, connection, documents, load)
        yield _compare_dlt(folder, engine, connection, documents, load)
    else:
        yield Figure(f"landing_{engine}", load, "s", None, context)
    yield Figure(f"landing_{engine}_again", best["again"], "s", None, {"times_new": best["again"] / load})
    yield _summarize_batches(engine, documents, wall)
    yield _weigh(engine, connection, documents, WEIGHED if engine in BARE else 1)


def _compare_insert_rows(engine: str, connection: Mapping[str, Any], documents: int, load: float) -> Figure:
    number = min(INSERTED[engine], documents)
    with start_process(CONN_ID, connection) as process:
        seconds = process.submit(time_insert_rows, engine, number).result() * documents / number
    context = {"seconds": seconds, "measured_documents": number}
    return Figure(f"landing_{engine}_insert_rows", seconds / load, "x a load", None, context)


def _compare_dlt(folder: Path, engine: str, connection: Mapping[str, Any], documents: int, load: float) -> Figure:
    with start_process(CONN_ID, connection) as process:
        merged = process.submit(merge_with_dlt, engine, connection, documents, folder).result()
    context = {"seconds": merged["first"], "again_seconds": merged["again"]}
    return Figure(f"landing_{engine}_dlt", merged["first"] / load, "x a load", None, context)


def _summarize_batches(engine: str, documents: int, wall: Mapping[str, Sequence[float]]) -> Figure:
    batch = statistics.median(wall["batch"])
    context: dict[str, Any] = {"documents": BATCH, "into_tables_of": documents, "median_of": BATCHES}
    if "bare_batch" in wall:
        bare = statistics.median(wall["bare_batch"])
        context |= {"bare_ms": 1000 * bare, "times_bare": batch / bare}
    return Figure(f"landing_{engine}_batch", 1000 * batch, "ms", None, context)


def _weigh(engine: str, connection: Mapping[str, Any], documents: int, times: int) -> Figure:
    weighed = []
    for _ in range(times):
        with start_process(CONN_ID, connection) as process:
            weighed.append(process.submit(weigh_load, engine, documents).result())
    peak, imported = sorted(weighed)[times // 2]
    context = {"documents": documents, "median_of": times, "process_mb": peak / 1e6, "imported_mb": imported / 1e6}
    bar = Bar("<=", 250) if engine in BARE else None
    return Figure(f"landing_{engine}_memory", (peak - imported) / 1e6, "MB", bar, context)
