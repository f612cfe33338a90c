"""Storages that documents and results lie in, and patience for hypothesis."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

StorageFolder = tuple[str, Callable[[str], Any]]


@pytest.fixture(params=["pathlib", "local path", "file://", "memory://"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorageFolder]:
    """URI of an empty folder (without a slash at the end) and what opens a path of it, for every kind of path."""
    if request.param == "pathlib":
        yield str(tmp_path), Path
        return
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io import attach
    from fsspec.implementations.memory import MemoryFileSystem

    attach("memory", fs=MemoryFileSystem())
    folders = {
        "local path": str(tmp_path),
        "file://": f"file://{tmp_path}",
        "memory://": f"memory://bucket-{uuid.uuid4().hex}/in",
    }
    yield folders[request.param], ObjectStoragePath
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
