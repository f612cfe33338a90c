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
    """

    def __init__(
        self,
        tables: Sequence[Table],
        directory: Path,
        *,
        encode: Callable[[Sequence[Cell]], str],
        separator: str,
        line: Callable[[str], str],
    ) -> None:
        self._paths = {table: directory / str(number) for number, table in enumerate(tables)}
        self._encode = encode
        self._separator = separator
        self._line = line
        self._sizes = {table: array("Q") for table in tables}
        self._counts = {table: array("Q") for table in tables}

    def write(self, documents: Iterable[DocumentRows]) -> None:
        """Write the rows of all documents, whose numbers are their places from 0 on. Called once."""
        encode, separator, line = self._encode, self._separator, self._line
        with ExitStack() as stack:
            outputs = {
                table: stack.enter_context(path.open("wb", buffering=_BUFFER_BYTES))
                for table, path in self._paths.items()
            }
            for document in documents:
                audit = separator + encode(document.audit)
                lines = defaultdict[Table, list[str]](list)
                for table, row in document.rows:
                    lines[table].append(line(encode(row) + audit))
                for table, output in outputs.items():
                    written = lines.get(table, ())
                    self._sizes[table].append(output.write("".join(written).encode()) if written else 0)
                    self._counts[table].append(len(written))

    def count(self, table: Table, without: Collection[int] = ()) -> int:
        """
        How many rows there are for a table.

        :param without: numbers of documents that do not count.
        """
        counts = self._counts[table]
        return sum(counts) - sum(counts[number] for number in without)

    def path(self, table: Table, without: Collection[int] = ()) -> Path:
        """
        The file with the rows for a table.

        :param without: numbers of documents whose rows are left out; where there are any, it is a copy.
        """
        (path,) = self.parts(table, without)
        return path

    def parts(self, table: Table, without: Collection[int] = (), size: int | None = None) -> Iterator[Path]:
        """
        The rows for a table in files of whole documents, at least one. Each is gone when the next is asked for.

        :param without: numbers of documents whose rows are left out.
        :param size: bytes after which a file ends with the document; default: there is one file.
        """
        path, sizes = self._paths[table], self._sizes[table]
        end = path.stat().st_size
        if (size is None or end <= size) and not any(sizes[number] for number in without):
            yield path
            return
        part = path.with_name(f"{path.name}-part")
        documents = enumerate(sizes)
        with path.open("rb") as source:
            while source.tell() < end:
                with part.open("wb") as target:
                    for number, length in documents:
                        if number in without:
                            source.seek(length, 1)
                            continue
                        _copy(source, target, length)
                        if size is not None and target.tell() >= size:
                            break
                yield part


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size:
        chunk = source.read(min(size, _CHUNK_BYTES))
        target.write(chunk)
        size -= len(chunk)
