"""Files under ``results_path``: whole or not there, the same when written twice, exact, and read with a clear word."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raydocs_provider.api.models import Result, Template
from raydocs_provider.exceptions import RaydocsInputError, RaydocsManifestError
from raydocs_provider.extraction.manifest import (
    EXTRACTED,
    FAILED,
    SUBMITTED,
    DocumentRecord,
    Manifest,
    Outcome,
    write_manifest,
)
from raydocs_provider.extraction.spool import Spool, dump_manifest, load_manifest
from tests.unit.conftest import StorageFolder

OUTCOME = Outcome(EXTRACTED, "r-1", "a" * 64)
RESULT = Result(
    "r-1",
    "s-1",
    "completed",
    {"header": {"total": Decimal("1234.56"), "count": 3, "vendor": "Müller & Söhne \u2028 \ud800"}, "lines": []},
    {"header": {"total": {"confidence": Decimal("0.95"), "sources": [{"page": 1, "text": "1.234,56"}]}}},
    created_at="2026-01-15T10:30:00Z",
)
TEMPLATE = Template(
    "t-1", "Invoices", "12", None, {"groups": {"g": {"fields": {"f": {"multipleOf": Decimal("0.01")}}}}}
)
MANIFEST = Manifest(
    tuple(DocumentRecord(f"s3://inbox/{n} ü.pdf", SUBMITTED, f"{n:064x}", session_id=f"s{n}") for n in range(150)),
    "raydocs_default",
    "t-1",
)
SLOW_FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def folder(storage: StorageFolder) -> Any:
    """A folder two levels below anything that exists."""
    base, path_for = storage
    return path_for(f"{base}/lake/run 1")


@pytest.fixture
def spool(folder: Any) -> Spool:
    return Spool(folder)


def listed(folder: Any) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_of_this_file_system_are_at_hand_and_those_of_other_storage_are_not(tmp_path: Path) -> None:
    from airflow.sdk import ObjectStoragePath

    assert Spool(tmp_path).at_hand
    assert Spool(ObjectStoragePath(tmp_path.as_uri())).at_hand
    assert not Spool(ObjectStoragePath("memory://results/")).at_hand


def test_storage_whose_paths_are_those_of_pathlib_is_not_at_hand(tmp_path: Path) -> None:
    """As every ObjectStoragePath is with the universal-pathlib of Airflow 3.0 and 3.1."""

    class PathOnS3(type(tmp_path)):  # type: ignore[misc]
        protocol = "s3"

        def replace(self, target: object) -> None:
            raise AssertionError("an object is complete when it appears")

    folder = PathOnS3(tmp_path)
    spool = Spool(folder)
    assert not spool.at_hand
    spool.write_session("s-1", OUTCOME, RESULT)
    assert spool.read_session("s-1") == (OUTCOME, RESULT)


def test_what_is_written_is_read_again(spool: Spool, folder: Any) -> None:
    failed = Outcome(FAILED, None, None, "parsing", "document_failed", "Raydocs could not read the document.")
    spool.write_session("s-1", OUTCOME, RESULT)
    spool.write_session("s-2", failed, None)
    spool.write_template(TEMPLATE)
    name = spool.write_documents(MANIFEST.documents)
    spool.write_value("_value.json", {"a": [1, "ü"]})

    assert spool.read_session("s-1") == (OUTCOME, RESULT)
    assert spool.read_session("s-2") == (failed, None)
    assert spool.read_template(TEMPLATE.content_hash) == TEMPLATE
    assert spool.read_documents(name) == list(MANIFEST.documents)
    assert spool.read_value("_value.json") == {"a": [1, "ü"]}
    assert listed(folder) == sorted(
        ["s-1.json", "s-2.json", f"_template-{TEMPLATE.content_hash[:16]}.json", name, "_value.json"]
    )


def test_writing_twice_is_the_same_as_once(spool: Spool, folder: Any) -> None:
    def write() -> dict[str, bytes]:
        spool.write_session("s-1", OUTCOME, RESULT)
        spool.write_template(TEMPLATE)
        spool.write_documents(MANIFEST.documents)
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert write() == write()


def test_the_version_of_a_template_is_the_same_after_it_was_on_file(spool: Spool) -> None:
    spool.write_template(TEMPLATE)
    assert spool.read_template(TEMPLATE.content_hash).content_hash == TEMPLATE.content_hash


def test_sessions_on_file_are_known_and_others_are_not(spool: Spool, folder: Any) -> None:
    assert spool.known_sessions(["s-1"]) == {}
    spool.write_session("s-1", OUTCOME, RESULT)
    spool.write_session("s-3", replace(OUTCOME, result_id="r-3"), RESULT)
    assert spool.known_sessions(["s-1", "s-2"]) == {"s-1": OUTCOME}
    assert spool.known_sessions([]) == {}


@pytest.mark.parametrize("content", [b"", b'{"version": 1, "outc', b"\xff\xfe", b"[]", b"null", b'{"version": 1}'])
def test_a_damaged_session_is_unknown_and_mended_by_the_next_look(spool: Spool, folder: Any, content: bytes) -> None:
    spool.write_session("s-1", OUTCOME, RESULT)
    (folder / "s-1.json").write_bytes(content)
    assert spool.known_sessions(["s-1"]) == {}
    spool.write_session("s-1", OUTCOME, RESULT)
    assert spool.known_sessions(["s-1"]) == {"s-1": OUTCOME}


def test_hidden_and_foreign_files_are_ignored(spool: Spool, folder: Any) -> None:
    spool.write_session("s-1", OUTCOME, RESULT)
    for name in (".s-2.json.0123.partial", ".DS_Store", "s-3.txt", "_SUCCESS"):
        (folder / name).write_bytes(b"{")
    assert spool.known_sessions(["s-1", "s-2", "s-3", "", "_SUCCESS"]) == {"s-1": OUTCOME}


BROKEN = [
    b"",
    b'{"version": 1, "outcome": {"state"',
    b"\xff\xfe",
    b"[]",
    b'"text"',
    b'{"version": 1}',
    b'{"version": 1, "outcome": {"state": "extracted"}, "result": "text"}',
    b'{"version": 1, "outcome": {}, "result": null}',
    None,
]


@pytest.mark.parametrize("content", BROKEN)
def test_a_missing_or_damaged_file_is_named_with_what_to_look_at(
    spool: Spool, folder: Any, content: bytes | None
) -> None:
    if content is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("s-1.json", "_template-0123456789abcdef.json"):
            (folder / name).write_bytes(content)
    with pytest.raises(RaydocsManifestError, match=r"s-1\.json cannot be read .*reachable from this worker"):
        spool.read_session("s-1")
    with pytest.raises(RaydocsManifestError, match=r"_template-0123456789abcdef\.json cannot be read"):
        spool.read_template("0123456789abcdef" * 4)


def test_a_missing_or_damaged_list_of_documents_is_named(spool: Spool, folder: Any) -> None:
    with pytest.raises(RaydocsManifestError, match=r"_documents-1\.ndjson cannot be read"):
        spool.read_documents("_documents-1.ndjson")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "_documents-1.ndjson").write_bytes(b'{"uri": "a.pdf", "sta')
    with pytest.raises(RaydocsManifestError, match=r"_documents-1\.ndjson cannot be read"):
        spool.read_documents("_documents-1.ndjson")


def test_a_missing_value_is_none_and_a_damaged_one_an_error(spool: Spool, folder: Any) -> None:
    assert spool.read_value("_value.json") is None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "_value.json").write_bytes(b'{"a":')
    with pytest.raises(RaydocsManifestError, match=r"_value\.json cannot be read"):
        spool.read_value("_value.json")


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s-1.json").write_text('{"version": 2, "outcome": {"state": "extracted"}, "result": null}')
    with pytest.raises(RaydocsManifestError, match="has version 2, this package reads 1"):
        Spool(tmp_path).read_session("s-1")


@pytest.mark.parametrize("session_id", ["../../evil", "/etc/evil", "a/b", "..", "", "50%", "ü"])
def test_no_session_id_names_a_file_elsewhere(tmp_path: Path, session_id: str) -> None:
    folder = tmp_path / "lake" / "run"
    spool = Spool(folder)
    spool.write_session(session_id, OUTCOME, RESULT)
    assert [path.parent for path in tmp_path.rglob("*.json")] == [folder]
    assert spool.known_sessions([session_id]) == {session_id: OUTCOME}


KILLED_WHILE_WRITING = """
import os, sys
from pathlib import Path
from raydocs_provider.extraction.manifest import Outcome
from raydocs_provider.extraction.spool import Spool
write = Path.write_bytes
def die_half_way(path, content):
    write(path, content[: len(content) // 2])
    os._exit(9)
Path.write_bytes = die_half_way
Spool(Path(sys.argv[1])).write_session(sys.argv[2], Outcome("failed", reason="x" * 1000), None)
"""


def test_a_worker_killed_while_writing_leaves_nothing_that_is_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.write_session("s-1", OUTCOME, RESULT)
    for session_id in ("s-1", "s-2"):
        assert subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, tmp_path, session_id]).returncode == 9
    assert spool.known_sessions(["s-1", "s-2"]) == {"s-1": OUTCOME}
    assert spool.read_session("s-1") == (OUTCOME, RESULT)
    with pytest.raises(RaydocsManifestError):
        spool.read_session("s-2")


def test_a_write_that_fails_leaves_the_old_file_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    spool = Spool(tmp_path)
    spool.write_session("s-1", OUTCOME, RESULT)
    monkeypatch.setattr(Path, "replace", disk_full)
    with pytest.raises(RaydocsInputError, match="No space left on device"):
        spool.write_session("s-1", replace(OUTCOME, result_id="r-2"), RESULT)
    assert listed(tmp_path) == ["s-1.json"]
    assert spool.read_session("s-1") == (OUTCOME, RESULT)


@SLOW_FIXTURE
@given(st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(-(10**6), 10**6, places=2))
def test_decimals_of_any_precision_survive(tmp_path: Path, amount: Decimal) -> None:
    spool = Spool(tmp_path)
    spool.write_session("s", OUTCOME, replace(RESULT, data={"g": {"total": amount}}))
    result = spool.read_session("s")[1]
    assert result is not None
    assert result.data is not None
    read = result.data["g"]["total"]
    assert Decimal(read) == amount
    assert isinstance(read, (Decimal, int)) or len(amount.as_tuple().digits) > 15 or abs(amount.adjusted()) > 300


def test_an_amount_is_a_number_on_file_as_long_as_that_is_exact(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    data = {"g": [Decimal("0.1"), Decimal("1.10"), Decimal("0.12345678901234567890"), Decimal("1e400")]}
    spool.write_session("s", OUTCOME, replace(RESULT, data=data))
    written = json.loads((tmp_path / "s.json").read_bytes())["result"]["data"]["g"]
    assert written == [0.1, 1.1, "0.12345678901234567890", "1E+400"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@SLOW_FIXTURE
@given(data=st.none() | st.dictionaries(st.text(), VALUES, max_size=4), reason=st.none() | st.text())
def test_any_result_survives(tmp_path: Path, data: Any, reason: str | None) -> None:
    outcome, result = replace(OUTCOME, reason=reason), replace(RESULT, data=data)
    Spool(tmp_path).write_session("s", outcome, result)
    assert Spool(tmp_path).read_session("s") == (outcome, result)


def test_a_manifest_lists_its_documents_in_the_spool_where_there_is_one(spool: Spool) -> None:
    written = json.loads(json.dumps(dump_manifest(MANIFEST, spool)))
    assert "documents" not in written
    assert load_manifest(written, spool) == MANIFEST


def test_a_manifest_without_a_spool_carries_its_documents() -> None:
    small = replace(MANIFEST, documents=MANIFEST.documents[:3])
    assert load_manifest(json.loads(json.dumps(dump_manifest(small, None))), None) == small


def test_a_manifest_whose_file_is_gone_is_refused(spool: Spool) -> None:
    with pytest.raises(RaydocsManifestError, match=r"_documents-gone\.ndjson cannot be read"):
        load_manifest(write_manifest(MANIFEST, "_documents-gone.ndjson"), spool)
    with pytest.raises(RaydocsManifestError, match="no results_path to read it from"):
        load_manifest(write_manifest(MANIFEST, "_documents-gone.ndjson"), None)


@pytest.mark.parametrize("value", [None, "text", [], 3])
def test_what_is_no_manifest_is_refused_before_any_file_is_read(spool: Spool, value: Any) -> None:
    with pytest.raises(RaydocsManifestError):
        load_manifest(value, spool)
