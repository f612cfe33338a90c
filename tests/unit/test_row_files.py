from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.landing import row_formats
from raydocs_provider.landing.row_files import RowFiles
from raydocs_provider.landing.row_formats import LineFormat
from raydocs_provider.landing.tables import Table

TABLES = (Table(("a",), ()), Table(("b",), ()), Table(("c",), ()))


def encode(cells: Sequence[object]) -> str:
    return "|".join(map(str, cells))


def open_files(documents: Iterable[Any], directory: str | Path, part_bytes: int | None = None) -> RowFiles:
    return RowFiles(
        documents,
        TABLES,
        Path(directory),
        LineFormat(encode, "|", "<", ">"),
        part_bytes,
    )


def document(audit: str, *rows: tuple[Table, str]) -> Any:
    """Of its rows, all that is written."""
    of: dict[Table, list[tuple[str]]] = {}
    for table, text in rows:
        of.setdefault(table, []).append((text,))
    return SimpleNamespace(audit=(audit,), rows=of)


def lines(documents: Sequence[Any], table: Table, without: Collection[int] = ()) -> list[str]:
    """What the file of a table has to hold."""
    return [
        f"<{encode(row)}|{encode(document.audit)}>\n"
        for number, document in enumerate(documents)
        if number not in without
        for row in document.rows.get(table, ())
    ]


TEXTS = st.text("aé漢😀\n", max_size=5)
DOCUMENTS = st.lists(
    st.builds(lambda audit, rows: document(audit, *rows), TEXTS, st.lists(st.tuples(st.sampled_from(TABLES), TEXTS))),
    max_size=8,
)


def size_of(document: Any) -> int:
    """Bytes of all its rows."""
    return sum(len("".join(lines([document], table)).encode()) for table in TABLES)


@given(DOCUMENTS, st.sets(st.integers(0, 7)))
def test_a_file_holds_exactly_the_rows_of_the_documents_that_are_not_left_out(documents, left_out):
    with tempfile.TemporaryDirectory() as directory:
        files = open_files(documents, directory)
        (part,) = files.parts()

        for table in TABLES:
            rest, everything = lines(documents, table, left_out), lines(documents, table)
            assert part.path(table, left_out).read_text(encoding="utf-8") == "".join(rest)
            assert part.count(table, left_out) == files.count(table, left_out) == len(rest)
            assert part.path(table).read_text(encoding="utf-8") == "".join(everything)
            assert part.count(table) == files.count(table) == len(everything)


@given(DOCUMENTS, st.sets(st.integers(0, 7)), st.integers(1, 40))
def test_a_part_is_of_whole_documents_and_ends_when_it_is_large_enough(documents, left_out, size):
    parts: list[list[int]] = [[]]
    for number in range(len(documents)):
        if sum(size_of(documents[inner]) for inner in parts[-1]) >= size:
            parts.append([])
        parts[-1].append(number)
    with tempfile.TemporaryDirectory() as directory:
        files = open_files(documents, directory, size)
        written = list(files.parts())

        assert [list(part.numbers) for part in written] == parts
        for table in TABLES:
            for part, numbers in zip(written, parts, strict=True):
                rest = [documents[number] for number in numbers if number not in left_out]
                assert part.path(table, left_out).read_text(encoding="utf-8") == "".join(lines(rest, table))
                assert part.count(table, left_out) == len(lines(rest, table))
            assert files.count(table, left_out) == len(lines(documents, table, left_out))


@given(DOCUMENTS, st.integers(1, 40))
def test_no_more_is_written_than_was_asked_for(documents, size):
    with tempfile.TemporaryDirectory() as directory:
        coming = iter(documents)
        files = open_files(coming, directory)

        more = files.write(size)

        left = list(coming)
        read = documents[: len(documents) - len(left)]
        assert sum(map(size_of, read[:-1])) < size
        assert more == (sum(map(size_of, read)) >= size)
        if not more:
            assert left == []


def test_parts_that_are_complete_can_be_had_while_the_next_are_written(tmp_path):
    coming = iter([document(str(number), (TABLES[0], "x")) for number in range(5)])
    files = open_files(coming, tmp_path, part_bytes=1)
    parts = files.parts()

    assert list(next(parts).numbers) == [0]
    assert files.write(1)
    assert files.write(1)
    assert len(list(coming)) == 2
    assert not files.write(1)
    assert [list(part.numbers) for part in parts] == [[1], [2]]


def test_the_files_of_a_part_can_be_deleted_before_the_next(tmp_path):
    files = open_files([document(str(number), (TABLES[0], "x")) for number in range(3)], tmp_path, part_bytes=1)
    for part in files.parts():
        part.path(TABLES[0], part.numbers)
        part.delete()

    assert list(tmp_path.iterdir()) == []
    assert files.count(TABLES[0]) == 3


def test_more_than_a_buffer_is_written_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(row_formats, "_BUFFER_BYTES", 7)
    documents = [document(str(number), *[(table, "x" * number) for table in TABLES]) for number in range(6)]
    (part,) = open_files(documents, tmp_path).parts()

    assert [part.path(table).read_text() for table in TABLES] == ["".join(lines(documents, table)) for table in TABLES]


def test_what_is_left_out_may_be_larger_than_what_is_copied_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(row_formats, "_CHUNK_BYTES", 7)
    documents = [document(str(number), (TABLES[0], "x" * number * 10)) for number in range(6)]
    (part,) = open_files(documents, tmp_path).parts()

    assert part.path(TABLES[0], {0, 2, 5}).read_text() == "".join(lines(documents, TABLES[0], {0, 2, 5}))


def test_without_a_row_to_leave_out_nothing_is_copied(tmp_path):
    (part,) = open_files([document("x", (TABLES[0], "1")), document("y", (TABLES[1], "2"))], tmp_path).parts()

    assert part.path(TABLES[0], {1}) == part.path(TABLES[0])
    assert part.path(TABLES[1], {1}) != part.path(TABLES[1])
    assert len({part.path(table) for table in TABLES}) == 3


def test_without_documents_every_table_has_an_empty_file(tmp_path):
    files = open_files([], tmp_path)
    (part,) = files.parts()

    assert {part.path(table).read_bytes() for table in TABLES} == {b""}
    assert {files.count(table) for table in TABLES} == {0}
