"""Memory that the upload of a large file takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Bar, Figure
from benchmarks.surroundings import CONNECTION, memory, say, start_processes
from raydocs_provider.emulator import Emulator

MIB = 1 << 20


def measure_upload(folder: Path, size: int = 1 << 30) -> Iterator[Figure]:
    """
    Upload one file.

    :param size: in bytes. The file is sparse; what the emulator keeps of it is not, for as long as this runs.
    """
    say(f"Uploading a file of {size / MIB:.0f} MiB ...")
    large, small = folder / "large.pdf", folder / "small.pdf"
    for path, length in ((large, size), (small, MIB)):
        with path.open("wb") as file:
            file.truncate(length)
    with Emulator(rate_limit=0) as raydocs, start_processes(1, raydocs.url, raydocs.token) as process:
        uploaded = process.submit(_upload, small.as_uri(), large.as_uri(), size).result()
    context = {"mib": size / MIB, "seconds": uploaded["seconds"], "before_mb": uploaded["before"] / 1e6}
    yield Figure("upload_memory", uploaded["extra"] / 1e6, "MB", Bar("<=", 20), context)


def _upload(small: str, large: str, size: int) -> dict[str, Any]:
    """
    Upload the small file to have everything loaded, then the large one.

    The most memory there ever was includes what importing took, so the difference errs upwards if at all.
    """
    from raydocs_provider.hooks.raydocs import RaydocsHook
    from raydocs_provider.hooks.storage import open_path

    with RaydocsHook(CONNECTION) as hook:
        hook.upload(open_path(small))
        before, began = memory("VmRSS"), time.monotonic()
        uploaded = hook.upload(open_path(large))
        assert uploaded.size == size
        return {"extra": memory("VmHWM") - before, "before": before, "seconds": time.monotonic() - began}
