"""`make airflow`: the example Dags in an Airflow of their own next to a local Raydocs, until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.airflow_stack.client import StackError
from scripts.airflow_stack.stack import AirflowStack, exit_on_termination

ROOT = Path(__file__).parents[1]
EMULATOR = ("--parse-seconds", "2-4", "--extract-seconds", "12-18")

GUIDE = """
  Airflow    {url}      user {username}, password {password}
  Raydocs    {raydocs_url}      the emulator, connection raydocs_default
  Warehouse  {warehouse}      connection warehouse (DuckDB)

  - Dags > invoices_to_warehouse > Trigger: watch `extract` turn "deferred" while the documents are worked on.
  - Admin > Connections > raydocs_default: the form; "Test" asks the emulator whether the token is good.
  - Afterwards: {python} -m scripts.landed {warehouse}

  Ctrl-C ends everything and removes the files.
"""


def main() -> int:
    exit_on_termination()
    print("Starting a local Raydocs and an Airflow of its own ...", flush=True)
    try:
        stack = AirflowStack(
            ROOT / "example_dags",
            dag_ids=["invoices_to_warehouse"],
            emulator_options=EMULATOR,
            report=lambda text: print(text, flush=True),
        )
        with stack:
            print(GUIDE.format(**vars(stack), url=stack.url, python=sys.executable), flush=True)
            stack.wait()
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; nothing is left running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
