"""The rows of a load on disk: parts of successive documents, in each of which a table has one file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from raydocs_provider.landing.row_formats import LineFormat, TextFile
from raydocs_provider.landing.rows import DocumentRows
from raydocs_provider.landing.tables import Table


class RowFiles:
    """
    Writes rows as they are asked for, and keeps 16 bytes per document and table in memory.

    :param documents: read once, in order. A document's number is its place, from 0 on.
    :param tables: the tables there may be rows for.
    :param directory: an empty folder that lives as long as the files are needed.
    :param row_format: how rows stand in the files.
    :param part_bytes: a part ends with the document with which it is so large; default: there is one part.
    """

    def __init__(
        self,
        documents: Iterable[DocumentRows],
        tables: Sequence[Table],
        directory: Path,
        row_format: LineFormat,
        part_bytes: int | None = None,
    ) -> None:
        self._documents = iter(documents)
        self._tables = tables
        self._directory = directory
        self._format = row_format
        self._part_bytes = part_bytes
        self._parts: list[Part] = []
        self._open: Part | None = None
        self._ended = False
        self._size = 0

    def write(self, size: int | None = None) -> bool:
        """
        Write the rows of the next documents.

        :param size: of how many bytes at least; default: of all documents.
        :return: whether there may be more documents.
        """
        end = None if size is None else self._size + size
        while end is None or self._size < end:
            if not self.write_next():
                return False
        return True

    def write_next(self) -> bool:
        """Write the rows of the next document. Returns whether there may be more documents."""
        if self._ended:
            return False
        part = self._open
        if part is None:
            first = self._parts[-1].end if self._parts else 0
            part = self._open = Part(self._tables, self._directory, self._format, first)
        document = next(self._documents, None)
        if document is None:
            self._ended = True
            if part.end > part.first or not self._parts:
                self._complete(part)
            return False
        self._size += part.write(document)
        if self._part_bytes is not None and part.size >= self._part_bytes:
            self._complete(part)
        return True

    def parts(self) -> Iterator[Part]:
        """The parts in order, each as soon as it is written; at least one."""
        number = 0
        while True:
            while number == len(self._parts) and self.write_next():
                pass
            if number == len(self._parts):
                return
            yield self._parts[number]
            number += 1

    def count(self, table: Table, without: Collection[int] = ()) -> int:
        """
        How many rows have been written for a table.

        :param without: numbers of documents that do not count.
        """
        return sum(part.count(table, without) for part in self._parts)

    def _complete(self, part: Part) -> None:
        part.complete()
        self._parts.append(part)
        self._open = None


class Part:
    """
    The rows of successive documents.

    :param first: the number of the first document.
    """

    def __init__(self, tables: Sequence[Table], directory: Path, row_format: LineFormat, first: int) -> None:
        self._format = row_format
        self.first = first
        self.end = first
        self.size = 0
        self._files = {
            table: TextFile(directory / f"{first}-{place}", row_format.encoder_of(table))
            for place, table in enumerate(tables)
        }

    @property
    def numbers(self) -> range:
        """The numbers of its documents."""
        return range(self.first, self.end)

    def count(self, table: Table, without: Collection[int] = ()) -> int:
        """
        How many rows there are for a table.

        :param without: numbers of documents that do not count.
        """
        counts = self._files[table].counts
        return sum(counts) - sum(counts[place] for place in self._places(without))

    def path(self, table: Table, without: Collection[int] = ()) -> Path:
        """
        The file with the rows for a table.

        :param without: numbers of documents whose rows are left out; where there are any, it is a copy.
        """
        return self._files[table].path(frozenset(self._places(without)))

    def write(self, document: DocumentRows) -> int:
        """Write the rows of the next document. Returns how many bytes they are."""
        shared = self._format.share(document.audit)
        written = sum([file.write(document.rows.get(table, ()), shared) for table, file in self._files.items()])
        self.end += 1
        self.size += written
        return written

    def complete(self) -> None:
        """Have the files hold all that was written."""
        for file in self._files.values():
            file.complete()

    def delete(self) -> None:
        """Delete the files."""
        for file in self._files.values():
            file.delete()

    def _places(self, numbers: Collection[int]) -> list[int]:
        return [place for place, number in enumerate(self.numbers) if number in numbers]
