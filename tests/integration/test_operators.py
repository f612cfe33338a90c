"""The operators against a local Raydocs: what is sent, what is paid for, what comes out, and what fails when."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.api.models import Template
from raydocs_provider.emulator import Emulator
from raydocs_provider.exceptions import (
    RaydocsAmbiguousSubmitError,
    RaydocsAuthenticationError,
    RaydocsDeadlineError,
    RaydocsExtractionError,
    RaydocsInputError,
    RaydocsManifestError,
    RaydocsNotFoundError,
    RaydocsPermissionError,
)
from raydocs_provider.extraction.manifest import EXTRACTED, FAILED, Manifest
from raydocs_provider.extraction.spool import load_manifest
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.hooks.storage import open_spool
from raydocs_provider.links.raydocs import DASHBOARD_KEY
from raydocs_provider.operators.raydocs import (
    RaydocsCreateSessionsOperator,
    RaydocsExtractOperator,
    RaydocsUploadOperator,
)
from raydocs_provider.sensors.raydocs import RaydocsSessionsSensor
from tests.integration.conftest import (
    CORRUPT,
    GOOD,
    INVOICES,
    Task,
    billed,
    copies,
    count,
    fire,  # noqa: F401 - test_ends.py takes it from here
    looks,
    make_template,
    requests_to,
    stored_and_back,  # noqa: F401 - likewise
    uris,
)
from tests.moved import XCOM_RETURN_KEY, AirflowSkipException

pytestmark = pytest.mark.usefixtures("no_pauses")

MakeEmulator = Callable[..., Emulator]
Connect = Callable[..., str]


def extract(template: Template, documents: Any, **arguments: Any) -> RaydocsExtractOperator:
    quick: dict[str, Any] = {"task_id": "extract", "expected_seconds": 0.2, "timeout": 60, "deferrable": False}
    return RaydocsExtractOperator(template_id=template.id, documents=documents, **{**quick, **arguments})


def read(written: dict[str, Any]) -> Manifest:
    return load_manifest(written, open_spool(written["results_path"]))


def numbers(manifest: Manifest) -> dict[str, str]:
    """Invoice number by file name, as the spool has them."""
    spool = open_spool(manifest.results_path)
    assert spool is not None
    found = {}
    for record in manifest.in_state(EXTRACTED):
        _, result = spool.read_session(str(record.session_id))
        assert result is not None
        assert result.data is not None
        found[record.name] = result.data["invoice_header"]["invoice_number"]
    return found


def printed_numbers(paths: list[Path]) -> dict[str, str]:
    expected = json.loads((Path(__file__).parents[1] / "data" / "sample_invoices.json").read_text())
    return {path.name: expected[path.name]["expected"]["invoice_header"]["invoice_number"] for path in paths}


# --- the whole way


@pytest.mark.parametrize(
    "settings",
    [{"generation": "seed"}, {"generation": "new"}, {"generation": "old"}, {"vapor_real": True}],
    ids=["seed", "new", "old", "vapor-real"],
)
def test_documents_of_every_generation_end_in_the_spool(
    make_emulator: MakeEmulator, connect: Connect, ti: Task, results_path: str, settings: dict[str, Any]
) -> None:
    emulator = make_emulator(**settings)
    with RaydocsHook(connect(host=emulator.url, password=emulator.token)) as hook:
        template = make_template(hook)
    manifest = read(extract(template, uris(GOOD[:3]), results_path=results_path).execute(ti.context))
    assert numbers(manifest) == printed_numbers(GOOD[:3])


@pytest.mark.usefixtures("usual_pace")
def test_a_document_costs_one_upload_url_a_fiftieth_of_a_batch_and_a_look(
    emulator: Emulator, template: Template, ti: Task, results_path: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    copies(tmp_path / "in", 53)
    before = len(requests_to(emulator))
    operator = extract(template, f"{tmp_path.as_uri()}/in/*.pdf", results_path=results_path, expected_seconds=6)
    manifest = read(operator.execute(ti.context))
    assert manifest.states == {EXTRACTED: 53}
    batches = [len(logged.created) for logged in requests_to(emulator) if logged.path.endswith("/sessions/batch")]
    assert batches == [50, 3]
    api = [logged for logged in requests_to(emulator)[before:] if not logged.path.startswith("/__storage__/")]
    assert len(api) - len(looks(emulator)) == 1 + 53 + 2  # the template, the upload URLs, the batches
    assert len(looks(emulator)) <= 1.3 * 53


def test_each_result_is_fetched_once_where_sessions_embed_summaries_only(
    make_emulator: MakeEmulator, connect: Connect, ti: Task, results_path: str
) -> None:
    emulator = make_emulator(generation="new", summaries=True)
    with RaydocsHook(connect(host=emulator.url, password=emulator.token)) as hook:
        template = make_template(hook)
    manifest = read(extract(template, uris(GOOD[:4]), results_path=results_path).execute(ti.context))
    assert numbers(manifest) == printed_numbers(GOOD[:4])
    fetched = [logged.path for logged in requests_to(emulator) if "/extractions/results/" in logged.path]
    assert sorted(fetched) == sorted({f"/extractions/results/{record.result_id}" for record in manifest.documents})


def test_each_value_lands_with_its_own_document_when_the_answer_is_shuffled(
    emulator: Emulator, template: Template, ti: Task, results_path: str
) -> None:
    emulator.add_fault("shuffle", path="/sessions/batch$")
    manifest = read(extract(template, uris(GOOD), results_path=results_path).execute(ti.context))
    assert numbers(manifest) == printed_numbers(GOOD)


def test_identical_files_are_paid_for_once_and_both_come_out(
    emulator: Emulator, template: Template, ti: Task, results_path: str, tmp_path: Path
) -> None:
    twin = tmp_path / "twin.pdf"
    twin.write_bytes(GOOD[0].read_bytes())
    manifest = read(extract(template, uris([*GOOD[:2], twin]), results_path=results_path).execute(ti.context))
    assert billed(emulator) == 2
    same = printed_numbers([GOOD[0]])[GOOD[0].name]
    assert numbers(manifest) == {**printed_numbers(GOOD[:2]), "twin.pdf": same}


def test_a_retry_goes_on_with_the_sessions_of_the_attempt_before(
    emulator: Emulator, template: Template, ti: Task, results_path: str
) -> None:
    first = extract(template, uris(GOOD[:2]), results_path=results_path, retries=1)
    emulator.add_fault("answer", status=401, method="GET", path="/extractions/sessions/")
    ti.max_tries = 1
    with pytest.raises(RaydocsAuthenticationError):
        first.execute(ti.context)
    ti.try_number = 2
    second = extract(template, uris(GOOD[:2]), results_path=results_path, retries=1)
    assert read(second.execute(ti.context)).states == {EXTRACTED: 2}
    assert billed(emulator) == 2


def test_a_lost_answer_to_the_paid_request_is_not_repeated_by_a_retry_either(
    emulator: Emulator, template: Template, ti: Task, results_path: str
) -> None:
    emulator.add_fault("drop", after=True, path="/sessions/batch$")
    with pytest.raises(RaydocsAmbiguousSubmitError):
        extract(template, uris(GOOD[:2]), results_path=results_path).execute(ti.context)
    with pytest.raises(RaydocsExtractionError, match="ambiguous_submit"):
        extract(template, uris(GOOD[:2]), results_path=results_path).execute(ti.context)
    assert count(emulator, "POST", "/sessions/batch") == 1
    again = extract(template, uris(GOOD[:2]), results_path=results_path, on_ambiguous_submit="resubmit")
    assert read(again.execute(ti.context)).states == {EXTRACTED: 2}
    assert billed(emulator) == 4


# --- step by step


def test_single_steps_make_the_same_as_the_whole(
    emulator: Emulator, template: Template, ti: Task, results_path: str
) -> None:
    uploaded = RaydocsUploadOperator(task_id="upload", documents=uris(GOOD[:3]), results_path=results_path)
    written = uploaded.execute(ti.context)
    assert billed(emulator) == 0
    created = RaydocsCreateSessionsOperator(task_id="create", template_id=template.id, uploads=written)
    written = created.execute(ti.context)
    assert written["counts"]["submitted"] == billed(emulator) == 3
    waited = RaydocsSessionsSensor(
        task_id="wait", sessions=written, poke_interval=0.1, timeout=60, expected_seconds=0.1
    )
    assert numbers(read(waited.execute(ti.context))) == printed_numbers(GOOD[:3])


@pytest.mark.parametrize("uploads", [None, [], "text", {"counts": {}}], ids=["nothing", "a list", "text", "something"])
def test_creating_sessions_says_what_it_needs(connection: str, ti: Task, uploads: Any) -> None:
    with pytest.raises(RaydocsManifestError):
        RaydocsCreateSessionsOperator(task_id="create", template_id="t", uploads=uploads).execute(ti.context)


# --- what is refused for free


@pytest.mark.parametrize(
    "arguments",
    [
        {"on_empty": "ignore"},
        {"on_partial_failure": "skip"},
        {"on_ambiguous_submit": "retry"},
        {"max_failure_ratio": 1.5},
        {"timeout": 0},
        {"timeout": timedelta(seconds=-1)},
        {"expected_seconds": "30"},
        {"session_timeout": -1},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_a_wrong_argument_fails_when_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    with pytest.raises(RaydocsInputError, match=next(iter(arguments))):
        RaydocsExtractOperator(task_id="extract", template_id="t", documents="file:///a", **arguments)


@pytest.mark.parametrize("template_id", ["", "None", None, "  "])
def test_a_missing_template_id_fails_before_anything_is_sent(
    emulator: Emulator, connection: str, ti: Task, template_id: Any
) -> None:
    operator = RaydocsExtractOperator(task_id="extract", template_id=template_id, documents=uris(GOOD[:1]))
    with pytest.raises(RaydocsInputError, match="template_id is empty"):
        operator.execute(ti.context)
    assert requests_to(emulator) == []


def test_an_unknown_template_fails_before_anything_is_uploaded(emulator: Emulator, connection: str, ti: Task) -> None:
    operator = RaydocsExtractOperator(task_id="extract", template_id="nobody-has-it", documents=uris(GOOD[:1]))
    with pytest.raises(RaydocsNotFoundError):
        operator.execute(ti.context)
    assert [logged.method for logged in requests_to(emulator)] == ["GET"]
    assert ti.pushed[DASHBOARD_KEY] == ""  # or Airflow's last line on it would be that this is missing


def test_a_results_path_that_cannot_be_written_fails_before_anything_is_uploaded(
    emulator: Emulator, template: Template, ti: Task, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    before = len(requests_to(emulator))
    with pytest.raises(RaydocsInputError, match="results_path cannot be written here"):
        extract(template, uris(GOOD[:1]), results_path=f"{tmp_path.as_uri()}/file/results/").execute(ti.context)
    assert [logged.method for logged in requests_to(emulator)[before:]] == ["GET"]


def test_a_glob_that_matches_nothing_fails_or_skips(template: Template, ti: Task, tmp_path: Path) -> None:
    pattern = f"{tmp_path.as_uri()}/*.pdf"
    with pytest.raises(RaydocsInputError, match="on_empty='skip'"):
        extract(template, pattern).execute(ti.context)
    with pytest.raises(AirflowSkipException):
        extract(template, pattern, on_empty="skip").execute(ti.context)


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        (lambda folder: folder.as_uri(), "is a folder"),
        (lambda folder: [(folder / "missing.pdf").as_uri()], "does not exist"),
        (lambda folder: "['a.pdf', 'b.pdf']", "Pass the list itself"),
        (lambda folder: None, "holds nothing"),
        (lambda folder: "None", "empty URI"),
    ],
    ids=["folder", "missing", "text of a list", "nothing", "the word None"],
)
def test_documents_that_are_none_are_named(
    emulator: Emulator, template: Template, ti: Task, tmp_path: Path, documents: Callable[[Path], Any], said: str
) -> None:
    with pytest.raises(RaydocsInputError, match=said):
        extract(template, documents(tmp_path)).execute(ti.context)
    assert count(emulator, "POST", "/signed-storage-url") == 0


def test_more_documents_than_fit_an_xcom_need_a_results_path(template: Template, ti: Task, tmp_path: Path) -> None:
    for number in range(101):
        (tmp_path / f"{number}.pdf").write_bytes(b"%PDF")
    with pytest.raises(RaydocsInputError, match="too many without a results_path"):
        extract(template, f"{tmp_path.as_uri()}/*.pdf").execute(ti.context)


def test_an_empty_file_fails_the_task_before_anything_is_sent_or_only_itself(
    emulator: Emulator, template: Template, ti: Task, tmp_path: Path, results_path: str
) -> None:
    empty = tmp_path / "empty.pdf"
    empty.touch()
    with pytest.raises(RaydocsInputError, match="Nothing was uploaded"):
        extract(template, uris([empty, GOOD[0]])).execute(ti.context)
    assert count(emulator, "POST", "/signed-storage-url") == 0
    operator = extract(template, uris([empty, GOOD[0]]), on_partial_failure="warn", results_path=results_path)
    written = operator.execute(ti.context)
    assert written["counts"] | {"extracted": 1, "failed": 1, "total": 2} == written["counts"]
    assert [(failure["stage"], failure["code"]) for failure in written["failures"]] == [("input", "empty_file")]
    assert count(emulator, "POST", "/signed-storage-url") == 1


def test_an_unsupported_type_is_sent_with_a_warning(
    emulator: Emulator, template: Template, ti: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "odd.xyz"
    odd.write_bytes(GOOD[0].read_bytes())
    assert extract(template, uris([odd])).execute(ti.context)["counts"]["extracted"] == 1
    assert "of a type Raydocs does not name as supported" in capsys.readouterr().out


# --- failed documents


def test_a_failed_document_fails_the_task_and_the_others_stay_in_the_manifest(
    template: Template, ti: Task, results_path: str
) -> None:
    with pytest.raises(RaydocsExtractionError, match="1 of 3 document"):
        extract(template, uris([*GOOD[:2], CORRUPT]), results_path=results_path).execute(ti.context)
    manifest = read(ti.pushed[XCOM_RETURN_KEY])
    assert numbers(manifest) == printed_numbers(GOOD[:2])
    (failed,) = manifest.in_state(FAILED)
    assert (failed.name, failed.stage, failed.code) == (CORRUPT.name, "parsing", "document_failed")


def test_a_failed_document_can_be_a_warning_up_to_a_ratio(template: Template, ti: Task) -> None:
    documents = uris([*GOOD[:2], CORRUPT])
    written = extract(template, documents, on_partial_failure="warn").execute(ti.context)
    assert (written["counts"]["extracted"], written["counts"]["failed"]) == (2, 1)
    with pytest.raises(RaydocsExtractionError, match="1 of 3"):
        extract(template, documents, on_partial_failure="warn", max_failure_ratio=0.3).execute(ti.context)


def test_nothing_but_failed_documents_fails_the_task_whatever_was_said(template: Template, ti: Task) -> None:
    with pytest.raises(RaydocsExtractionError, match="1 of 1"):
        extract(template, uris([CORRUPT]), on_partial_failure="warn").execute(ti.context)


def test_a_failed_run_is_a_failed_document(make_emulator: MakeEmulator, connect: Connect, ti: Task) -> None:
    emulator = make_emulator(failure_rate=1)
    with RaydocsHook(connect(host=emulator.url, password=emulator.token)) as hook:
        template = make_template(hook)
    with pytest.raises(RaydocsExtractionError, match="extraction: extraction_failed"):
        extract(template, uris(GOOD[:2])).execute(ti.context)


def test_a_missing_ability_fails_the_task_not_the_documents(
    make_emulator: MakeEmulator, connect: Connect, ti: Task
) -> None:
    emulator = make_emulator(tokens=["rd_all", "rd_read:templates-read,sessions-read"])
    with RaydocsHook(connect(host=emulator.url, password="rd_all")) as hook:
        template = make_template(hook)
    emulator.add_fault("answer", status=403, body={"message": "Invalid ability provided."}, path="/sessions/batch$")
    with pytest.raises(RaydocsPermissionError, match="'sessions-write'"):
        extract(template, uris(GOOD[:1])).execute(ti.context)


def test_the_deadline_fails_the_task_with_what_is_known(
    make_emulator: MakeEmulator, connect: Connect, ti: Task, results_path: str
) -> None:
    emulator = make_emulator(extract_seconds=60)
    with RaydocsHook(connect(host=emulator.url, password=emulator.token)) as hook:
        template = make_template(hook)
    operator = extract(template, uris([*GOOD[:2], CORRUPT]), results_path=results_path, timeout=1.5)
    with pytest.raises(RaydocsDeadlineError, match="2 of 3 sessions were not finished"):
        operator.execute(ti.context)
    assert read(ti.pushed[XCOM_RETURN_KEY]).states == {"submitted": 2, FAILED: 1}


def test_a_token_revoked_while_waiting_leaves_the_manifest(
    emulator: Emulator, template: Template, ti: Task, results_path: str
) -> None:
    emulator.add_fault("answer", status=401, method="GET", path="/extractions/sessions/", nth=2, count=0)
    with pytest.raises(RaydocsAuthenticationError):
        extract(template, uris(GOOD[:3]), results_path=results_path).execute(ti.context)
    assert read(ti.pushed[XCOM_RETURN_KEY]).states["submitted"] >= 2


def test_a_session_can_have_a_timeout_of_its_own(make_emulator: MakeEmulator, connect: Connect, ti: Task) -> None:
    emulator = make_emulator(extract_seconds=60)
    with RaydocsHook(connect(host=emulator.url, password=emulator.token)) as hook:
        template = make_template(hook)
    with pytest.raises(RaydocsExtractionError, match="waiting: session_timeout"):
        extract(template, uris(GOOD[:2]), session_timeout=1).execute(ti.context)


def test_a_short_outage_while_waiting_is_waited_out(emulator: Emulator, template: Template, ti: Task) -> None:
    emulator.add_fault("answer", status=503, method="GET", path="/extractions/sessions/", count=7)
    assert extract(template, uris(GOOD[:2])).execute(ti.context)["counts"]["extracted"] == 2


def test_a_killed_task_says_what_goes_on(
    template: Template, ti: Task, capsys: pytest.CaptureFixture[str], emulator: Emulator
) -> None:
    operator = extract(template, uris(GOOD[:2]))
    operator.on_kill()
    assert "Killed" not in capsys.readouterr().out
    operator.execute(ti.context)
    operator.on_kill()
    assert "Killed with 2 documents submitted" in capsys.readouterr().out


def test_all_of_the_samples_come_out(template: Template, ti: Task, results_path: str) -> None:
    operator = extract(template, uris(INVOICES), results_path=results_path, on_partial_failure="warn")
    assert numbers(read(operator.execute(ti.context))) == printed_numbers(GOOD)
