"""What is measured of landing, in a process of its own that has a connection to the database."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.databases import BARE, copy_files, create_tables, empty, get_hook, insert_rows
from benchmarks.landing_documents import LOAD, make_results, make_rows_by_hand, plan_landing
from benchmarks.surroundings import memory
from raydocs_provider.landing.documents import LandingDocument
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.row_files import RowFiles
from raydocs_provider.landing.rows import RowReader
from raydocs_provider.landing.warehouses import warehouse_for

BATCH = 50
BATCHES = 9
_PLAN = plan_landing("invoices")


class Took(NamedTuple):
    """Seconds by the clock, and of this process's processor time."""

    wall: float
    cpu: float


def time_loads(engine: str, number: int, rounds: int) -> dict[str, list[Took]]:
    """
    Land the same documents again and again, in turns with bare inserts of their rows.

    :param number: of documents.
    :return: what each of these took, every time:

        - ``load``: a load of all documents, from the connection to the commit; ``again``: the same into the same
          tables,
        - ``bare``: the shortest way to insert their rows, which are in memory, into tables with an index;
          ``unindexed``: into tables without,
        - ``by_hand``: the same, with the rows yet to be made of the documents,
        - ``encoded``: their rows from files that hold them as the engine takes them,
        - ``batch``: a load of 50 new documents into the tables of all others; ``bare_batch``: the rows of 50 more.
    """
    hook, times = get_hook(engine), dict[str, list[Took]]()
    documents = list(make_results(0, number))
    rows = make_rows_by_hand(documents, _PLAN)
    # Collections do not look through what is in memory for all of them.
    gc.collect()
    gc.freeze()

    def take(what: str, action: Callable[[], None]) -> None:
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        action()
        times.setdefault(what, []).append(Took(time.perf_counter() - wall, time.process_time() - cpu))

    insert = BARE.get(engine)
    with tempfile.TemporaryDirectory() as folder:
        bare: dict[str, Callable[[], None]] = {}
        if insert:
            files = _encode(hook, documents, Path(folder))
            bare = {
                "unindexed": partial(insert, hook, rows),
                "bare": partial(insert, hook, rows),
                "by_hand": lambda: insert(hook, make_rows_by_hand(documents, _PLAN)),
                "encoded": partial(copy_files, hook, _PLAN, files),
            }
        for _ in range(rounds):
            for what, action in bare.items():
                empty(engine, hook)
                create_tables(hook, _PLAN, indexed=what != "unindexed")
                take(what, action)
            empty(engine, hook)
            take("load", partial(_land, hook, documents))
            take("again", partial(_land, hook, documents))
    for place in range(number, number + 2 * BATCH * BATCHES, 2 * BATCH):
        take("batch", partial(_land, hook, list(make_results(place, BATCH))))
        if insert:
            more = make_rows_by_hand(make_results(place + BATCH, BATCH), _PLAN)
            take("bare_batch", partial(insert, hook, more))
    gc.unfreeze()
    return times


def time_insert_rows(engine: str, number: int) -> float:
    """How many seconds ``DbApiHook.insert_rows`` takes for the rows of documents, by the clock."""
    hook = get_hook(engine)
    rows = make_rows_by_hand(make_results(0, number), _PLAN)
    empty(engine, hook)
    create_tables(hook, _PLAN, indexed=True)
    began = time.perf_counter()
    insert_rows(hook, rows)
    return time.perf_counter() - began


def weigh_load(engine: str, number: int) -> tuple[int, int]:
    """
    Land documents that are made one at a time.

    :return: the most memory that this process ever had, in bytes, and what it had with everything imported.
    """
    hook = get_hook(engine)
    empty(engine, hook)
    warehouse_for(hook)
    imported = memory("VmRSS")
    _land(hook, make_results(0, number))
    return memory("VmHWM"), imported


def _land(hook: Any, documents: Iterable[LandingDocument]) -> None:
    Lander(warehouse_for(hook), _PLAN).land(documents, LOAD, at_hand=True)


def _encode(hook: Any, documents: Iterable[LandingDocument], folder: Path) -> RowFiles:
    warehouse, reader = warehouse_for(hook), RowReader(_PLAN, LOAD)
    files = RowFiles(
        (reader.read(document) for document in documents),
        _PLAN.tables,
        folder,
        warehouse.row_format,
        warehouse.part_bytes,
    )
    files.write()
    return files
