"""A defect of the emulator itself fails what it was at, with its reason: nobody waits for hours."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from raydocs_provider.emulator import Emulator, reading
from tests.integration.emulator.client import Client


def broken(*_, **__):
    raise TypeError("'PdfDocument' object does not support the context manager protocol")


def not_json(*_, **__):
    return SimpleNamespace(data={"head": {"invoice_number": object()}}, reasoning={}, audit_data={}, title=None)


@pytest.mark.parametrize(
    ("stage", "defect", "reason"),
    [
        ("reading.read_document", broken, "defect, see its log: TypeError"),
        ("store.Store.config", broken, "defect, see its log: TypeError"),
        ("extracting.extract", broken, "The schema could not be applied: TypeError."),
        ("extracting.extract", not_json, "defect, see its log: TypeError"),
    ],
)
def test_a_defect_in_any_stage_of_processing_ends_the_session(monkeypatch, stage, defect, reason):
    with Emulator(parse_seconds=0, extract_seconds=0, rate_limit=0, failed_run_without_parse=True) as emulator:
        client = Client(emulator)
        monkeypatch.setattr(f"raydocs_provider.emulator.{stage}", defect)
        seen = client.finished()
        assert reason in seen["results"][0]["error"]


@pytest.fixture
def not_checked():
    reading.check_reading.cache_clear()
    yield
    reading.check_reading.cache_clear()


@pytest.mark.parametrize("defect", [broken, lambda _: ()])
def test_it_does_not_start_where_a_small_pdf_does_not_read(monkeypatch, not_checked, defect):
    monkeypatch.setattr(reading, "_read_pdf", defect)
    with pytest.raises(RuntimeError, match=r"cannot read PDF documents with pypdfium2 \d.*pip install --upgrade"):
        Emulator().start()


def test_what_is_not_installed_is_said_plainly(tmp_path):
    (tmp_path / "pypdfium2.py").write_text("raise ModuleNotFoundError(name=__name__)")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = ['--port', '0']\n"
        "from raydocs_provider.emulator.__main__ import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "The emulator lacks pypdfium2: pip install 'airflow-provider-raydocs[emulator]'.\n"
