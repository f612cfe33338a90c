"""Which files a ``documents`` argument means, on every kind of storage path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.extraction.documents import (
    CONTENT_TYPES,
    SourceDocument,
    find_documents,
    find_empty,
    find_unsupported,
    guess_content_type,
    name_some,
    split_glob,
    suggest_mapping,
)
from tests.unit.conftest import StorageFolder

FILES = (
    "a.pdf",
    "b.PDF",
    "c d.pdf",
    "größe €.pdf",
    "e#1.pdf",
    "f%20.pdf",
    "[draft] g.pdf",
    "what?.pdf",
    "5 * 3.pdf",
    "note.txt",
    "deep/h.pdf",
    "deep/er/i.pdf",
    "deep/er/none",
)


@pytest.fixture
def folder(storage: StorageFolder) -> StorageFolder:
    """A folder with all of FILES in it, three bytes each."""
    base, path_for = storage
    for name in FILES:
        path = path_for(f"{base}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%PD")
    return storage


def names(folder: StorageFolder, documents: object) -> list[str]:
    """What is found, as names relative to the folder."""
    found = find_documents(documents, folder[1])
    shown = uri_of(folder, "")
    assert all(document.uri.startswith(shown) for document in found)
    return [document.uri.removeprefix(shown) for document in found]


def uri_of(folder: StorageFolder, name: str) -> str:
    """URI of a file of the folder. Some releases of universal-pathlib write ``memory:///`` for ``memory://``."""
    base, path_for = folder
    return f"{path_for(base)}/{name}"


@pytest.mark.parametrize("name", FILES)
def test_a_uri_means_the_file_it_names_whatever_the_name(folder: StorageFolder, name: str) -> None:
    base, path_for = folder
    (document,) = find_documents(f"{base}/{name}", path_for)
    assert (document.uri, document.name, document.size) == (uri_of(folder, name), name.rpartition("/")[2], 3)
    with document.path.open("rb") as stream:
        assert stream.read() == b"%PD"


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*.pdf", [n for n in FILES if n.endswith(".pdf") and "/" not in n]),
        ("*", [n for n in FILES if "/" not in n]),
        ("?.pdf", ["a.pdf"]),
        ("[ab].[pP]*", ["a.pdf", "b.PDF"]),
        ("[[]draft] g.pdf", ["[draft] g.pdf"]),
        ("größe*", ["größe €.pdf"]),
        ("c *.pdf", ["c d.pdf"]),
        ("*/h.pdf", ["deep/h.pdf"]),
        ("deep/*.pdf", ["deep/h.pdf"]),
        ("deep/**/*.pdf", ["deep/h.pdf", "deep/er/i.pdf"]),
        ("deep/**", [n for n in FILES if n.startswith("deep/")]),
        ("deep/**/", [n for n in FILES if n.startswith("deep/")]),
        ("**/*", list(FILES)),
        ("*.tiff", []),
        ("nothing/here/*.pdf", []),
    ],
)
def test_a_glob_means_every_file_that_matches_and_no_folder(
    folder: StorageFolder, pattern: str, matches: list[str]
) -> None:
    assert names(folder, f"{folder[0]}/{pattern}") == sorted(matches)


def test_a_list_means_all_of_it_each_file_once_and_in_order(folder: StorageFolder) -> None:
    base = folder[0]
    documents = [f"{base}/note.txt", f"{base}/?.pdf", f" {base}/a.pdf ", f"{base}/*.tiff", f"{base}/a.pdf"]
    assert names(folder, documents) == ["a.pdf", "note.txt"]
    assert names(folder, tuple(documents)) == ["a.pdf", "note.txt"]
    assert names(folder, iter(documents)) == ["a.pdf", "note.txt"]


def test_paths_are_taken_as_they_are(folder: StorageFolder) -> None:
    base, path_for = folder
    assert names(folder, [path_for(f"{base}/a.pdf")]) == ["a.pdf"]
    assert names(folder, path_for(f"{base}/a.pdf")) == ["a.pdf"]


def test_an_empty_list_means_nothing(storage: StorageFolder) -> None:
    assert names(storage, []) == []


def test_a_folder_is_refused_with_the_glob_that_was_probably_meant(folder: StorageFolder) -> None:
    for uri in (f"{folder[0]}/deep", f"{folder[0]}/deep/"):
        with pytest.raises(RaydocsInputError, match=r"is a folder\. .*deep/\*\.pdf"):
            find_documents(uri, folder[1])


def test_a_missing_file_is_refused_even_beside_others(folder: StorageFolder) -> None:
    with pytest.raises(RaydocsInputError, match=r"gone\.pdf does not exist"):
        find_documents([f"{folder[0]}/a.pdf", f"{folder[0]}/gone.pdf"], folder[1])


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("**.pdf", "**/*.pdf"),
        ("deep/**x/*.pdf", "deep/**/*x/*.pdf"),
        ("deep**/h.pdf", "deep*/**/h.pdf"),
        ("d**r/*", "d*/**/*r/*"),
        ("*/**.pdf", "*/**/*.pdf"),
        ("***", "**"),
        ("a**b**c", "a*/**/*b*/**/*c"),
    ],
)
def test_stars_that_no_two_storages_understand_alike_are_refused_with_the_right_spelling(
    folder: StorageFolder, pattern: str, meant: str
) -> None:
    with pytest.raises(RaydocsInputError, match="is no pattern") as refused:
        find_documents(f"{folder[0]}/{pattern}", folder[1])
    assert f" Write {folder[0]}/{meant} to " in str(refused.value)
    find_documents(f"{folder[0]}/{meant}", folder[1])


def test_a_pattern_is_judged_before_any_storage_looks_for_it() -> None:
    class Storage:
        def exists(self) -> bool:
            return False

    with pytest.raises(RaydocsInputError, match=r"Write s3://in/\*\*/\*\.pdf to "):
        find_documents("s3://in/**.pdf", lambda uri: Storage())  # type: ignore[arg-type, return-value]


def test_the_connection_of_a_path_is_not_part_of_the_uri_that_is_shown() -> None:
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io import attach
    from fsspec.implementations.memory import MemoryFileSystem

    attach("memory", conn_id="lake_conn", fs=MemoryFileSystem())
    MemoryFileSystem().pipe_file("/shown/a.pdf", b"%PDF")
    for documents in ("memory://lake_conn@shown/a.pdf", "memory://lake_conn@shown/*.pdf"):
        (document,) = find_documents(documents, ObjectStoragePath)
        assert "lake_conn" not in document.uri
        assert document.uri.endswith("/shown/a.pdf")
        assert document.path.exists()


def test_a_relative_glob_is_looked_up_where_the_worker_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pdf").write_bytes(b"%PD")
    (tmp_path / "b.pdf").write_bytes(b"%PD")
    monkeypatch.chdir(tmp_path)
    assert [document.uri for document in find_documents(["*.pdf", "in/*.pdf", "in/a.pdf"], Path)] == [
        "b.pdf",
        "in/a.pdf",
    ]


def test_a_link_to_nowhere_is_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").symlink_to(tmp_path / "gone")
    for documents in (f"{tmp_path}/*.pdf", f"{tmp_path}/a.pdf"):
        with pytest.raises(RaydocsInputError, match="does not exist"):
            find_documents(documents, Path)


@pytest.mark.parametrize(
    ("documents", "complaint"),
    [
        (None, "holds nothing"),
        (5, "holds a value of type int"),
        (True, "holds a value of type bool"),
        (b"/a.pdf", "holds a value of type bytes"),
        ({"uri": "/a.pdf"}, "holds a value of type dict"),
        ("", "an empty URI"),
        ("  ", "an empty URI"),
        ("None", "an empty URI"),
        ([None], "holds nothing"),
        ([""], "an empty URI"),
        (["None"], "an empty URI"),
        ([["/a.pdf"]], "holds a value of type list"),
        ([{"uri": "/a.pdf"}], "holds a value of type dict"),
        ([b"/a.pdf"], "holds a value of type bytes"),
        ([5], "holds a value of type int"),
        ([1.5], "holds a value of type float"),
        ([True], "holds a value of type bool"),
        ("['/a.pdf', '/b.pdf']", "text of a list"),
        ('["/a.pdf"]', "text of a list"),
        ("{'uri': '/a.pdf'}", "text of a list"),
    ],
)
def test_what_is_no_uri_is_refused_with_a_word_on_what_it_is(documents: Any, complaint: str) -> None:
    with pytest.raises(RaydocsInputError, match=complaint):
        find_documents(documents, Path)


@given(st.from_regex(r"(s3://b/|/|)([a-z\[\]?* ]{1,4}/){0,3}[a-z]{0,2}[*?\[][a-z*?]{0,3}", fullmatch=True))
def test_a_split_glob_loses_nothing_and_has_no_wildcard_in_its_folder(uri: str) -> None:
    base, pattern = split_glob(uri)
    assert (base.removeprefix("./") + pattern) == uri
    assert not set(base) & set("*?[")
    assert base.endswith("/")
    assert base.startswith("/") == uri.startswith("/")


def source(name: str, size: int = 3) -> SourceDocument:
    return SourceDocument(f"/in/{name}", Path("/in") / name, size)


def test_empty_and_unsupported_files_are_told_apart_from_others() -> None:
    found = [source("a.pdf"), source("b.TIFF", 0), source("c.xyz"), source("d"), source(".pdf"), source("e.DocX")]
    assert [document.name for document in find_empty(found)] == ["b.TIFF"]
    assert [document.name for document in find_unsupported(found)] == ["c.xyz", "d", ".pdf"]


@pytest.mark.parametrize(("count", "text"), [(1, "/in/0"), (2, "/in/0, /in/1"), (7, "and 2 more")])
def test_a_message_names_the_first_few(count: int, text: str) -> None:
    named = name_some([source(str(number)) for number in range(count)])
    assert named.endswith(text)
    assert "/in/5" not in named


@pytest.mark.parametrize(("extension", "content_type"), CONTENT_TYPES.items())
def test_an_extension_decides_the_content_type_before_any_byte(extension: str, content_type: str) -> None:
    assert guess_content_type(f"a.b{extension}", b"\x89PNG\r\n\x1a\n") == content_type
    assert guess_content_type(f"A{extension.upper()}", b"") == content_type


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (b"%PDF-1.7", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JF", "image/jpeg"),
        (b"II*\x00\x08\x00\x00\x00", "image/tiff"),
        (b"MM\x00*\x00\x00\x00\x08", "image/tiff"),
        (b"PK\x03\x04", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
@pytest.mark.parametrize("name", ["scan", "scan.xyz", ".pdf", "scan.", "tmp.pdf.1"])
def test_without_a_known_extension_the_first_bytes_decide(name: str, head: bytes, content_type: str) -> None:
    assert guess_content_type(name, head) == content_type


@pytest.mark.parametrize("pattern", ["*.pdf", "*", "**", "**/", "**/*", "deep/**/*.pdf"])
def test_the_lines_that_map_a_task_list_what_the_task_itself_would_find(tmp_path: Path, pattern: str) -> None:
    for name in ("a.pdf", "b.pdf", "deep/c.pdf", "deep/er/d.pdf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"%PDF")
    lines = suggest_mapping(f"{tmp_path}/{pattern}").partition("\n\nRaydocsExtractOperator")[0]
    made: dict[str, Any] = {}
    exec(lines.replace("ObjectStoragePath, task", "ObjectStoragePath").replace("@task", ""), made)
    found = find_documents(f"{tmp_path}/{pattern}", Path)  # type: ignore[arg-type]
    assert [part.removeprefix("file://") for parts in made["list_parts"]() for part in parts] == sorted(
        each.uri for each in found
    )
