from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.landing import row_files
from raydocs_provider.landing.row_files import RowFiles
from raydocs_provider.landing.tables import Table

TABLES = (Table(("a",), ()), Table(("b",), ()), Table(("c",), ()))


def encode(cells: Sequence[object]) -> str:
    return "|".join(map(str, cells))


def open_files(directory: str | Path, part_bytes: int | None = None) -> RowFiles:
    return RowFiles(
        TABLES,
        Path(directory),
        encode=encode,
        separator="|",
        line=lambda encoded: f"<{encoded}>\n",
        part_bytes=part_bytes,
    )


def document(audit: str, *rows: tuple[Table, str]) -> Any:
    """Of its rows, all that is written."""
    return SimpleNamespace(audit=(audit,), rows=[(table, (text,)) for table, text in rows])


def lines(documents: Sequence[Any], table: Table, without: Collection[int] = ()) -> list[str]:
    """What the file of a table has to hold."""
    return [
        f"<{encode(row)}|{encode(document.audit)}>\n"
        for number, document in enumerate(documents)
        if number not in without
        for of, row in document.rows
        if of is table
    ]


TEXTS = st.text("aé漢😀\n", max_size=5)
DOCUMENTS = st.lists(
    st.builds(lambda audit, rows: document(audit, *rows), TEXTS, st.lists(st.tuples(st.sampled_from(TABLES), TEXTS))),
    max_size=8,
)


@given(DOCUMENTS, st.sets(st.integers(0, 7)))
def test_a_file_holds_exactly_the_rows_of_the_documents_that_are_not_left_out(documents, left_out):
    without = {number for number in left_out if number < len(documents)}
    with tempfile.TemporaryDirectory() as directory:
        files = open_files(directory)
        files.write(iter(documents))

        for table in TABLES:
            assert files.path(table, without).read_text(encoding="utf-8") == "".join(lines(documents, table, without))
            assert files.count(table, without) == len(lines(documents, table, without))
            assert files.path(table).read_text(encoding="utf-8") == "".join(lines(documents, table))
            assert files.count(table) == len(lines(documents, table))


@given(DOCUMENTS, st.sets(st.integers(0, 7)), st.integers(1, 40))
def test_files_are_of_whole_documents_and_end_when_they_are_large_enough(documents, left_out, size):
    without = {number for number in left_out if number < len(documents)}
    with tempfile.TemporaryDirectory() as directory:
        files = open_files(directory, size)
        files.write(iter(documents))

        for table in TABLES:
            parts: list[list[int]] = [[]]
            for number, each in enumerate(documents):
                if lines([each], table):
                    if len("".join(lines([documents[inner] for inner in parts[-1]], table)).encode()) >= size:
                        parts.append([])
                    parts[-1].append(number)
            for out in (set(), without):
                assert [path.read_text(encoding="utf-8") for path in files.paths(table, out)] == [
                    "".join(lines([documents[number] for number in part if number not in out], table)) for part in parts
                ]


def test_what_is_left_out_may_be_larger_than_what_is_copied_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(row_files, "_CHUNK_BYTES", 7)
    documents = [document(str(number), (TABLES[0], "x" * number * 10)) for number in range(6)]
    files = open_files(tmp_path)
    files.write(documents)

    assert files.path(TABLES[0], {0, 2, 5}).read_text() == "".join(lines(documents, TABLES[0], {0, 2, 5}))


def test_without_a_row_to_leave_out_there_is_one_file_per_table(tmp_path):
    files = open_files(tmp_path)
    files.write([document("x", (TABLES[0], "1")), document("y", (TABLES[1], "2"))])

    assert files.path(TABLES[0], {1}) == files.path(TABLES[0])
    assert files.path(TABLES[1], {1}) != files.path(TABLES[1])
    assert len({files.path(table) for table in TABLES}) == 3


def test_without_documents_every_table_has_an_empty_file(tmp_path):
    files = open_files(tmp_path)
    files.write([])

    assert {files.path(table).read_bytes() for table in TABLES} == {b""}
    assert {files.count(table) for table in TABLES} == {0}
