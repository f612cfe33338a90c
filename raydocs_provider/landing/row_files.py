"""The rows of a load on disk, one file per table, and where in them the rows of each document are."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from raydocs_provider.landing.rows import DocumentRows
from raydocs_provider.landing.tables import Table
from raydocs_provider.landing.values import Cell

_BUFFER_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20


class RowFiles:
    """
    Writes rows as they come and keeps 16 bytes per document and table in memory.

    :param tables: the tables there may be rows for.
    :param directory: an empty folder that lives as long as the files are needed.
    :param encode: cells -> text; encoded cells joined by ``separator`` are the encoding of them all.
    :param line: an encoded row -> how it stands in the file.
    :param part_bytes: after how many bytes the next document begins another file; default: a table has one file.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        directory: Path,
        *,
        encode: Callable[[Sequence[Cell]], str],
        separator: str,
        line: Callable[[str], str],
        part_bytes: int | None = None,
    ) -> None:
        self._files = {table: _TableFiles(directory / str(number), part_bytes) for number, table in enumerate(tables)}
        self._encode = encode
        self._separator = separator
        self._line = line

    def write(self, documents: Iterable[DocumentRows]) -> None:
        """Write the rows of all documents, whose numbers are their places from 0 on. Called once."""
        encode, separator, line = self._encode, self._separator, self._line
        with ExitStack() as stack:
            for files in self._files.values():
                stack.enter_context(files)
            for document in documents:
                audit = separator + encode(document.audit)
                lines = defaultdict[Table, list[str]](list)
                for table, row in document.rows:
                    lines[table].append(line(encode(row) + audit))
                for table, files in self._files.items():
                    files.write(lines.get(table, ()))

    def count(self, table: Table, without: Collection[int] = ()) -> int:
        """
        How many rows there are for a table.

        :param without: numbers of documents that do not count.
        """
        counts = self._files[table].counts
        return sum(counts) - sum(counts[number] for number in without)

    def path(self, table: Table, without: Collection[int] = ()) -> Path:
        """
        The file with the rows for a table that has one file.

        :param without: numbers of documents whose rows are left out; where there are any, it is a copy.
        """
        (path,) = self.paths(table, without)
        return path

    def paths(self, table: Table, without: Collection[int] = ()) -> Iterator[Path]:
        """
        The files with the rows for a table, at least one.

        :param without: numbers of documents whose rows are left out; files in which there are any are copied.
        """
        return self._files[table].paths(without)


class _TableFiles:
    """The files of one table, while they are written and after."""

    def __init__(self, stem: Path, part_bytes: int | None) -> None:
        self._stem = stem
        self._part_bytes = part_bytes
        self._parts: list[tuple[Path, int]] = []
        self._sizes = array("Q")
        self.counts = array("Q")

    def __enter__(self) -> None:
        self._begin()

    def __exit__(self, *_: object) -> None:
        self._output.close()

    def _begin(self) -> None:
        """Begin a file, with the next document."""
        path = self._stem.with_name(f"{self._stem.name}-{len(self._parts)}")
        self._parts.append((path, len(self._sizes)))
        self._output = path.open("wb", buffering=_BUFFER_BYTES)

    def write(self, lines: Sequence[str]) -> None:
        """Write the rows of the next document."""
        if self._part_bytes is not None and lines and self._output.tell() >= self._part_bytes:
            self._output.close()
            self._begin()
        self._sizes.append(self._output.write("".join(lines).encode()) if lines else 0)
        self.counts.append(len(lines))

    def paths(self, without: Collection[int]) -> Iterator[Path]:
        ends = [*(first for _, first in self._parts[1:]), len(self._sizes)]
        for (path, first), end in zip(self._parts, ends, strict=True):
            if not any(self._sizes[number] for number in range(first, end) if number in without):
                yield path
                continue
            rest = path.with_name(f"{path.name}-rest")
            with path.open("rb") as source, rest.open("wb") as target:
                for number in range(first, end):
                    if number in without:
                        source.seek(self._sizes[number], 1)
                    else:
                        _copy(source, target, self._sizes[number])
            yield rest


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size:
        chunk = source.read(min(size, _CHUNK_BYTES))
        target.write(chunk)
        size -= len(chunk)
