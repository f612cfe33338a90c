"""The files of a lake: each appears whole or not at all, and those of a task instance replace their earlier selves."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from raydocs_provider.arguments import FILE_FORMATS, require_text
from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.extraction.documents import uri_without_connection
from raydocs_provider.extraction.spool import OBJECT_STORES
from raydocs_provider.hooks.storage import open_path
from raydocs_provider.landing.lake import LakeLoad
from raydocs_provider.landing.names import SEPARATOR
from raydocs_provider.version_compat import get_hook_lineage_collector


class LakeStorage:
    """
    A lake below a path, as ``<path>/<format>/<table>/<partition>/<name>.<format>``.

    The format comes first because external tables take all files below their folder, and the table last because
    crawlers call tables like folders.

    :param path: a URI such as ``s3://conn_id@bucket/key``.
    :raises RaydocsInputError: a path that a template rendered to nothing, and storage that is not installed.
    """

    def __init__(self, path: str) -> None:
        # More of it is used than other storage has: the file system behind it.
        self._root: Any = open_path(require_text(path, "path"))

    def replace(self, load: LakeLoad, partition: str, name: str) -> list[str]:
        """
        Put the files of a load into the lake, in place of those that an earlier try has left there.

        The ledgers go first and come last: while one is there, so are all other files of the load in its format.

        :param load: the files are removed from the local disk as they are written.
        :param partition: the folder of the run, see `name_partition`.
        :param name: of all files, see `name_files`.
        :return: the URIs of the files.
        :raises RaydocsLandingError: the storage refused something; in one format at least the load has no ledger then.
        """
        collector = get_hook_lineage_collector()
        place, written = "", []
        try:
            for earlier in self._find(load.tables, partition, name):
                place = str(earlier)
                earlier.fs.rm_file(earlier.path)
            for file in load.files:
                target = self._root / file.format / file.table / partition / f"{name}.{file.format}"
                place = str(target)
                _put(file.path, target)
                file.path.unlink()
                collector.add_output_asset(context=target, uri=uri_without_connection(target))
                written.append(place)
        except OSError as problem:
            cause = problem.strerror or type(problem).__name__
            raise RaydocsLandingError(
                f"{place or self._root} cannot be replaced ({cause}). The task has to be able to list, write and "
                "delete files there; a bucket has to exist. What it has written so far does not count without a ledger "
                "of the same format; the next try replaces it."
            ) from problem
        return written

    def _find(self, tables: Sequence[str], partition: str, name: str) -> list[Any]:
        """
        The files of an earlier try, the ledger first.

        :param tables: of the load, the table of documents first, the ledger last. Others that are called after the
            first are looked into as well: an earlier try may have had more of them.
        """
        documents, ledger = tables[0], tables[-1]
        found = []
        self._root.fs.invalidate_cache()
        for format_ in FILE_FORMATS:
            folder = self._root / format_
            for table in [path.name for path in folder.iterdir()] if folder.exists() else ():
                file = folder / table / partition / f"{name}.{format_}"
                if (table in tables or table.startswith(f"{documents}{SEPARATOR}")) and file.exists():
                    found.append((table != ledger, str(file), file))
        return [file for *_, file in sorted(found, key=lambda each: each[:2])]


def _put(local: Path, target: Any) -> None:
    """Copy a file from the local disk."""
    if target.protocol in OBJECT_STORES:
        # Not by writing to an open file: closed after an error, it would be shown as far as it came.
        target.fs.put_file(str(local), target.path)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".{target.name}.{uuid.uuid4().hex}.partial"
    try:
        target.fs.put_file(str(local), partial.path)
        target.fs.mv(partial.path, target.path)
    except BaseException:
        with suppress(Exception):
            partial.fs.rm_file(partial.path)
        raise
