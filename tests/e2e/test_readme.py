"""
The README's first hour: its blocks, run one after the other in a shell, as a newcomer would paste them.

Only what lies outside of this repository is put in: a free port, a database of these tests for that of the reader, a
temporary folder for `/tmp`, and the wheel of this tree for the name on the package index.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.airflow_stack.stack import free_ports
from scripts.compat.releases import Cell, release, resolver_options
from tests.e2e.conftest import ROOT
from tests.integration.landing.conftest import postgres  # noqa: F401, a fixture
from tests.readme import README, Block, blocks

pytestmark = pytest.mark.e2e

FIRST_ROWS = "First rows"
SELECTS = blocks("sql")
DAMAGED = "invoice_015_corrupt.pdf"
UV = Path(sys.executable).with_name("uv")


@dataclass(frozen=True)
class Newcomer:
    """
    Somebody who has read the README up to the queries.

    :param environment: of the shell at the end.
    :param said: what the commands printed.
    :param connection: the warehouse, as an Airflow connection.
    """

    environment: Mapping[str, str]
    said: str
    connection: Mapping[str, Any]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query, asked without Airflow."""
        if self.connection["conn_type"] == "duckdb":
            import duckdb

            with duckdb.connect(self.connection["host"], read_only=True) as database:
                return database.execute(sql).fetchall()
        import psycopg

        options = {"host": self.connection["host"], "user": self.connection["login"], "dbname": "postgres"}
        with psycopg.connect(**options) as database:
            return database.execute(sql).fetchall()


@pytest.fixture(scope="module", params=["postgres", "duckdb"])
def newcomer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    home = tmp_path_factory.mktemp("home")
    (port,) = free_ports(1)
    steps = []
    for block in blocks(section=FIRST_ROWS):
        text = block.text.replace("8765", str(port)).replace("/tmp/", f"{home}/")
        if '"conn_type": "postgres"' in text:
            server = json.dumps(request.getfixturevalue("postgres"))
            text = re.sub(r"""(?<=AIRFLOW_CONN_WAREHOUSE=)'.*"postgres".*'""", shlex.quote(server), text)
        if block.kind == "python":
            steps.append(f"cat > {path_of(block)} <<'PASTED'\n{text}PASTED\n")
        elif block.kind == "shell" and not ('"duckdb"' in text and request.param != "duckdb"):
            steps.append(text)
    (server,) = blocks("emulator", FIRST_ROWS)
    environment = clean_environment(home)
    with serving(server.text.replace("8765", str(port)), environment, port):
        script = "set -eo pipefail\n" + "".join(steps) + "env -0 > $HOME/environment\n"
        shell = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert shell.returncode == 0, shell.stdout[-5000:]
        variables = (home / "environment").read_text().split("\0")
        after = dict(variable.split("=", 1) for variable in variables if variable)
        yield Newcomer(after, shell.stdout, json.loads(after["AIRFLOW_CONN_WAREHOUSE"]))


def clean_environment(home: Path) -> dict[str, str]:
    """That of this process without its Airflow, and with an empty home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "VIRTUAL_ENV"))}
    return {**kept, "HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}"}


def path_of(block: Block) -> str:
    """Where the text before a block says that it goes."""
    (path,) = re.findall(r"`(~/\S+\.py)`", block.before)
    return str(path)


@contextmanager
def serving(command: str, environment: Mapping[str, str], port: int) -> Iterator[None]:
    """A command that serves on a port until the block ends."""
    with subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=ROOT, env=environment) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                with closing(socket.socket()) as connection:
                    if connection.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None
                assert time.monotonic() < deadline, "nothing serves within a minute"
                time.sleep(0.2)
            yield
        finally:
            process.terminate()


def test_connections_are_found_to_be_good(newcomer: Newcomer) -> None:
    assert newcomer.said.count("Connection success!") == 2


def test_all_documents_but_the_damaged_one_are_in_the_table(newcomer: Newcomer) -> None:
    landed, given = re.findall(r"(\d+) of the (\d+) PDFs are in the table `invoices`", README)[0]
    assert newcomer.query("SELECT count(*) FROM invoices") == [(int(landed),)]
    assert newcomer.query("SELECT count(*) FROM invoices__documents") == [(int(given),)]
    failed = newcomer.query("SELECT filename FROM invoices__documents WHERE state = 'failed'")
    assert failed == [(DAMAGED,)]
    assert f"`{DAMAGED}` is damaged" in README


@pytest.mark.parametrize("query", SELECTS, ids=lambda block: block.before.rstrip(":"))
def test_every_query_finds_rows(newcomer: Newcomer, query: Block) -> None:
    assert newcomer.query(query.text)


def test_other_python_blocks_run(newcomer: Newcomer) -> None:
    said = ""
    for block in blocks("python"):
        if "with DAG(" not in block.text:
            said += run([sys.executable, "-c", block.text], newcomer.environment)
    assert re.search(r"^\d+ Finance [0-9a-f-]{36} Invoices$", said, re.MULTILINE)


def test_other_exports_are_connections_that_airflow_reads(newcomer: Newcomer) -> None:
    (block,) = [block for block in blocks("shell") if block.section != FIRST_ROWS]
    read = "from airflow.sdk import Connection; print(Connection.get('raydocs_default').extra_dejson)"
    said = run(["bash", "-c", f'{block.text}\n{sys.executable} -c "{read}"'], newcomer.environment)
    assert "{'workspace_id': '7', 'timeout': 30}" in said


def test_what_is_installed_beside_the_pins_of_a_release_leaves_them_alone(tmp_path: Path) -> None:
    run([UV, "build", "--quiet", "--wheel", "--out-dir", tmp_path, ROOT])
    (wheel,) = tmp_path.glob("*.whl")
    python = tmp_path / "venv" / "bin" / "python"
    run([UV, "venv", "--quiet", "--python", sys.executable, python.parents[1]])
    before: set[str] = set()
    for block in blocks("pip")[1:]:  # the first one is for an empty environment, which test_wheel.py has
        run([UV, "pip", "install", "--quiet", "--python", python, *installed_here(block.text, wheel)])
        after = set(run([UV, "pip", "freeze", "--python", python]).splitlines())
        assert before <= after, f"{block.text} replaces {before - after}"
        before = after
    names = {re.split("==| @ ", line)[0] for line in before}
    assert {"apache-airflow-providers-postgres", "apache-airflow-providers-duckdb", "pypdfium2"} <= names


def installed_here(command: str, wheel: Path) -> list[str]:
    """
    The arguments of a `pip install` of the README, for this wheel.

    Constraint files are not on the index; packages as of a release's time are the same, or nearly so.
    """
    named = re.sub(r"(airflow-provider-raydocs(?:\[.+?\])?)", rf"\1 @ {wheel.as_uri()}", command)
    arguments = shlex.split(re.sub(r'\\\n\s*--constraint "\S+"', "", named))[2:]
    if "--constraint" not in command:
        return arguments
    (version,) = re.findall(r"apache-airflow==([\d.]+)", command)
    return [*arguments, *resolver_options(Cell(release(version), "pins", "3.11"))]


def run(command: list[Any], environment: Mapping[str, str] = os.environ) -> str:
    """Run a command and return what it printed; fail with its own words."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
