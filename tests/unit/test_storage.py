"""Which storage can be opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.hooks.storage import open_path, open_spool


@pytest.mark.parametrize("scheme", ["abfs", "no-such-scheme"])
def test_storage_that_no_provider_opens_is_refused_before_anything_is_done_with_it(scheme: str) -> None:
    for opens in (open_path, open_spool):
        with pytest.raises(RaydocsInputError, match=f"begin with {scheme}:// cannot be opened here: install the prov"):
            opens(f"{scheme}://container/in/a.pdf")


def test_a_local_path_needs_no_provider(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    for uri in (str(tmp_path / "a.pdf"), (tmp_path / "a.pdf").as_uri()):
        assert open_path(uri).exists()
