"""A run of the mapped Dag: started, watched, and taken down as evidence and figures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.documents import make_documents
from scripts.airflow_stack.client import StackError
from tests.distributed.evidence import Evidence
from tests.distributed.stack import DistributedStack

DAG_ID = "mapped"
RUN_SECONDS = 600


@dataclass
class MappedRun:
    """
    One run; made by :func:`start`.

    :param since: when it began, in epoch seconds.
    """

    stack: DistributedStack
    run_id: str
    table: str
    sizes: Sequence[int]
    since: float
    most_in_triggers: int = 0
    seconds: float = 0
    _counted: dict[str, float] = field(default_factory=dict)

    def tasks(self, task_id: str = "extract") -> dict[int, dict[str, Any]]:
        """Task instances by map index."""
        rows = self.stack.query(
            "SELECT map_index, state, try_number, hostname, id FROM task_instance"
            " WHERE dag_id = %s AND run_id = %s AND task_id = %s AND map_index >= 0",
            DAG_ID,
            self.run_id,
            task_id,
        )
        return {
            index: {"state": state, "try": number, "host": host, "id": str(uid)}
            for index, state, number, host, uid in rows
        }

    def states(self, task_id: str = "extract") -> list[str | None]:
        """States of the mapped instances."""
        return [task["state"] for task in self.tasks(task_id).values()]

    def batches(self) -> dict[tuple[int, int], dict[str, Any]]:
        """What the state store has of each batch, by map index and number; entries that hold none do not count."""
        rows = self.stack.query(
            "SELECT map_index, key, value FROM task_state_store WHERE dag_id = %s AND run_id = %s"
            " AND key ~ '^raydocs_ledger_[0-9]+$'",
            DAG_ID,
            self.run_id,
        )
        entries = {(index, int(key.rpartition("_")[2])): _parsed(value) for index, key, value in rows}
        numbers: Counter[int] = Counter()
        found = {}
        for (index, _), entry in sorted(entries.items(), key=lambda each: each[0]):
            if entry["sha256"]:
                found[index, numbers[index]] = entry
                numbers[index] += 1
        return found

    def look(self) -> str:
        """State of the run; keeps the largest size that triggers had."""
        (size,) = self.stack.query("SELECT coalesce(sum(octet_length(kwargs)), 0) FROM trigger")[0]
        self.most_in_triggers = max(self.most_in_triggers, int(size))
        return str(self.stack.client.run_state(DAG_ID, self.run_id))

    def finish(self) -> str:
        """Wait for the end of the run; returns its state."""
        deadline = time.monotonic() + RUN_SECONDS
        while (state := self.look()) not in ("success", "failed"):
            if time.monotonic() > deadline:
                raise StackError(f"the run did not end within {RUN_SECONDS} seconds: {self.tasks()}")
            time.sleep(1)
        self.seconds = time.time() - self.since
        return state

    def evidence(self) -> Evidence:
        """Everything that is known of the run."""
        log = self.stack.raydocs.requests(self.since)
        documents = sum(self.sizes)
        self._counted = {"requests_per_document": round(len(log) / documents, 3)}
        unanswered = sum(len(batch["sha256"]) for batch in self.batches().values() if batch["sessions"] is None)
        manifests = [
            _parsed(value)
            for (value,) in self.stack.query(
                "SELECT value FROM xcom WHERE dag_id = %s AND run_id = %s AND task_id = 'extract'"
                " AND key = 'return_value'",
                DAG_ID,
                self.run_id,
            )
        ]
        sha256 = "_document_sha256"
        return Evidence(
            documents=documents,
            state=self.stack.client.run_state(DAG_ID, self.run_id),
            paid=self.stack.raydocs.paid(log),
            manifests=manifests,
            landed=[row for (row,) in self.stack.query(f"SELECT {sha256} FROM {self.table}", warehouse=True)],
            ledger=self.stack.query(f"SELECT {sha256}, state, code FROM {self.table}__documents", warehouse=True),
            unanswered=unanswered,
        )

    def figures(self) -> dict[str, Any]:
        """Requests, bytes of metadata and time; after :meth:`evidence`."""
        sizes = {
            "xcom": "SELECT sum(octet_length(value::text)) FROM xcom WHERE dag_id = %s AND run_id = %s",
            "state_store": "SELECT sum(octet_length(value)) FROM task_state_store WHERE dag_id = %s AND run_id = %s",
            "rendered": "SELECT sum(octet_length(rendered_fields::text)) FROM rendered_task_instance_fields"
            " WHERE dag_id = %s AND run_id = %s",
        }
        documents = sum(self.sizes)
        in_bytes = {
            name: round(int(self.stack.query(sql, DAG_ID, self.run_id)[0][0] or 0) / documents)
            for name, sql in sizes.items()
        }
        in_bytes["triggers"] = round(self.most_in_triggers / documents)
        return {
            "documents": documents,
            "tasks": len(self.sizes),
            "seconds": round(self.seconds),
            **self._counted,
            "metadata_bytes_per_document": {**in_bytes, "all": sum(in_bytes.values())},
        }


def start(stack: DistributedStack, name: str, sizes: Sequence[int], **conf: object) -> MappedRun:
    """Make documents and begin a run over them; the tables are called like the run."""
    inbox = stack.inbox / name
    make_documents(inbox, sum(sizes), name)
    since = time.time()
    run_id = stack.client.trigger(DAG_ID, {"inbox": str(inbox), "sizes": list(sizes), "table": name, **conf})
    return MappedRun(stack, run_id, name, sizes, since)


def _parsed(value: Any) -> Any:
    import json

    return json.loads(value) if isinstance(value, str) else value
