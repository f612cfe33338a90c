"""Paths of documents and of ``results_path``, through Airflow's object storage (connections included)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from airflow.sdk import ObjectStoragePath

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.extraction.spool import FolderPath, Spool

if TYPE_CHECKING:
    from raydocs_provider.extraction.documents import StoragePath


def open_path(uri: str) -> StoragePath:
    """
    Make a path of a URI such as ``s3://conn_id@bucket/key`` or ``/data/file.pdf``.

    One that begins with neither is below the folder that the process runs in.

    :raises RaydocsInputError: for a scheme no installed package provides.
    """
    if "://" not in uri and not Path(uri).is_absolute():
        uri = str(Path(uri).absolute())  # Airflow 3.0 and 3.1 would look below the root
    try:
        path = ObjectStoragePath(uri)
        # A path is made of any scheme, or of any that fsspec knows: whether Airflow has a file system shows here.
        _ = path.fs
        return cast("StoragePath", path)
    except (ValueError, ImportError) as problem:
        scheme = uri.partition("://")[0]
        raise RaydocsInputError(
            f"Paths that begin with {scheme}:// cannot be opened here: install the provider package of that storage."
        ) from problem


def open_spool(results_path: str | None) -> Spool | None:
    """
    The spool at a ``results_path``; None where there is none.

    :raises RaydocsInputError: for a path that a template rendered to nothing, and for storage that is not installed.
    """
    if results_path is not None and results_path.strip() in ("", "None"):
        raise RaydocsInputError(f"results_path is empty ({results_path!r}). Check its template, or leave it out.")
    return None if not results_path else Spool(cast("FolderPath", open_path(results_path)))
