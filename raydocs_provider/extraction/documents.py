"""
Which documents a task is about: globs, URIs and lists -> files that exist and hold something.

All of it happens before the first paid request. Storage is reached through the path class the caller passes in
(Airflow's ``ObjectStoragePath`` in tasks), so nothing here depends on Airflow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Protocol

from raydocs_provider.exceptions import RaydocsInputError

_OCTET_STREAM = "application/octet-stream"
# What the API's pages name as supported, in one place or another. Others are sent all the same, with a warning.
CONTENT_TYPES = {
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".doc": "application/msword",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_MAGIC_BYTES = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_MAX_NAMED = 5
_NEAR = 0.8  # of a limit


class StoragePath(Protocol):
    """What is used of a path; ``pathlib.Path`` and ``ObjectStoragePath`` both have it."""

    @property
    def name(self) -> str:
        """The last part of the path."""

    def stat(self) -> Any:
        """Size and more; raises ``FileNotFoundError`` for what does not exist."""

    def open(self, mode: str) -> IO[Any]:
        """Open for reading."""

    def exists(self) -> bool:
        """Whether there is anything."""

    def is_dir(self) -> bool:
        """Whether it is a folder."""

    def glob(self, pattern: str) -> Iterable[StoragePath]:
        """The paths below this one that match."""


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """
    A file to extract from.

    :param uri: where it lies, without the connection id; this is what manifests and tables show.
    :param path: the same, ready to open.
    :param size: in bytes, as the storage says.
    """

    uri: str
    path: StoragePath
    size: int

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


def find_documents(documents: object, path_for: Callable[[str], StoragePath]) -> list[SourceDocument]:
    """
    Find the files that a ``documents`` argument means, sorted by URI, each once.

    :param documents: a URI, a glob (``s3://conn@bucket/in/*.pdf``), a path, or a list of them. A glob that matches
        nothing contributes nothing; a URI that does not exist is an error.
    :param path_for: makes a path of a URI.
    :raises RaydocsInputError: for a missing file, a folder, or something that is no URI at all.
    """
    found = {str(path): path for uri in _list_uris(documents) for path in _expand(uri, path_for)}
    return [_look_up(found[text]) for text in sorted(found)]


def _list_uris(documents: object) -> list[str]:
    if isinstance(documents, str):
        text = documents.strip()
        if text[:1] in ("[", "{"):
            raise RaydocsInputError(
                "'documents' was rendered to the text of a list. Pass the list itself: the upstream task's .output, or "
                "a Dag with render_template_as_native_obj=True."
            )
    several = isinstance(documents, Iterable) and not isinstance(documents, (str, bytes, Mapping))
    uris = []
    for item in documents if several else [documents]:  # type: ignore[attr-defined]
        # Paths and other URI-like objects say what they are through str().
        if item is None or (isinstance(item, (Mapping, Sequence, int, float)) and not isinstance(item, str)):
            kind = "nothing" if item is None else f"a value of type {type(item).__name__}"
            raise RaydocsInputError(f"'documents' has to be a URI, a glob or a list of them, but holds {kind}.")
        uri = str(item).strip()
        if not uri or uri == "None":
            raise RaydocsInputError("'documents' holds an empty URI. Check the template or the upstream task.")
        uris.append(uri)
    return uris


def _expand(uri: str, path_for: Callable[[str], StoragePath]) -> list[StoragePath]:
    path = path_for(uri)
    if "*" in uri or "?" in uri or "[" in uri:
        if path.exists() and not path.is_dir():
            return [path]  # a file whose name only looks like a pattern
        base, pattern = split_glob(uri)
        if (meant := spell_out(pattern)) != pattern:
            raise RaydocsInputError(
                f"{uri} is no pattern: '**' means any number of folders and has to stand alone between slashes. Write "
                f"{base if base != './' else ''}{meant} to look into folders, or a single '*' to stay in one."
            )
        return [match for match in path_for(base).glob(_of_files(pattern)) if not match.is_dir()]
    if path.is_dir():
        raise RaydocsInputError(
            f"{uri} is a folder. Say which files of it are meant, for example {uri.rstrip('/')}/*.pdf"
        )
    return [path]


def _of_files(pattern: str) -> str:
    """A pattern that ends in ``**`` for local paths too, where that matches folders only."""
    below = pattern.rstrip("/")
    return f"{below}/*" if below.endswith("**") else pattern


def _look_up(path: StoragePath) -> SourceDocument:
    uri = uri_without_connection(path)
    try:
        return SourceDocument(uri, path, int(path.stat().st_size))
    except FileNotFoundError:
        raise RaydocsInputError(
            f"{uri} does not exist, or the connection in its URI may not read it.", retryable=True
        ) from None


def uri_without_connection(path: Any) -> str:
    """The URI of a path as people may see it: which connection opens it is left out."""
    # Airflow before 3.2 keeps the connection among the options of the file system.
    options = getattr(path, "storage_options", None) or {}
    conn_id = getattr(path, "conn_id", None) or options.get("conn_id")
    return str(path).replace(f"://{conn_id}@", "://", 1) if conn_id else str(path)


def split_glob(uri: str) -> tuple[str, str]:
    """Split a glob into the folder before the first wildcard and the pattern below it."""
    parts = uri.split("/")
    first = next(index for index, part in enumerate(parts) if any(mark in part for mark in "*?["))
    return "/".join(parts[:first]) + "/" if first else "./", "/".join(parts[first:])


def spell_out(pattern: str) -> str:
    """
    A pattern with every ``**`` between slashes, as it was meant; one that is right comes back as it is.

    Asked before any storage is: what they make of ``**.pdf`` differs. Most raise; pathlib from Python 3.13 on takes it
    for ``*.pdf``, which finds fewer documents and says nothing.
    """
    return "/".join(_spell_out_name(name) for name in pattern.split("/"))


def _spell_out_name(name: str) -> str:
    pieces = re.split(r"\*{2,}", name)
    if len(pieces) == 1:
        return name
    first, *between, last = pieces
    names = [first and f"{first}*", *(f"*{piece}*" for piece in between), last and f"*{last}"]
    return "/**/".join(names).strip("/") if any(names) else "**"


def check_number(number: int, limit: int, documents: object) -> str | None:
    """
    Whether one task may take so many documents.

    :param documents: as given, for the advice.
    :returns: a warning where the limit is near, so that a folder that grows does not fail without notice; else None.
    :raises RaydocsInputError: for more than the limit.
    """
    if number <= _NEAR * limit:
        return None
    if number <= limit:
        return (
            f"{number} documents: one task takes {limit} at most, and fails for more. Before it comes to that, map it "
            f"over parts:\n\n{suggest_mapping(documents)}"
        )
    raise RaydocsInputError(
        f"{number} documents are more than one task takes ({limit}). Nothing was uploaded. Map the task over "
        f"parts:\n\n{suggest_mapping(documents)}"
    )


def suggest_mapping(documents: object, size: int = 500) -> str:
    """
    The lines of a Dag that extract the same documents in parts, to be copied out of an error.

    :param documents: as given; a glob is written into them.
    :param size: of a part.
    """
    pattern = documents.strip() if isinstance(documents, str) else "s3://conn_id@bucket/in/*.pdf"
    folder, names = split_glob(pattern) if any(mark in pattern for mark in "*?[") else (pattern, "*.pdf")
    names = _of_files(names)
    # Asked only where folders may match: on object stores it may take a request for each file.
    files_only = "" if "." in names.rpartition("/")[2] else " if not file.is_dir()"
    return "\n".join(
        (
            "from airflow.sdk import ObjectStoragePath, task",
            "",
            "@task",
            "def list_parts():",
            f"    files = sorted(str(file) for file in ObjectStoragePath({folder!r}).glob({names!r}){files_only})",
            f"    return [files[start : start + {size}] for start in range(0, len(files), {size})]",
            "",
            "RaydocsExtractOperator.partial(task_id=..., template_id=..., results_path=..., on_partial_failure='warn')"
            ".expand(documents=list_parts())",
        )
    )


def find_empty(documents: Sequence[SourceDocument]) -> list[SourceDocument]:
    """The files of 0 bytes. Raydocs would take them, fail in parsing, and leave one to wonder."""
    return [document for document in documents if document.size == 0]


def find_unsupported(documents: Sequence[SourceDocument]) -> list[SourceDocument]:
    """The files whose extension no page of the API names. They are sent all the same: the pages disagree."""
    return [document for document in documents if _extension(document.name) not in CONTENT_TYPES]


def name_some(documents: Sequence[SourceDocument]) -> str:
    """The first few names, for a message a person reads."""
    names = ", ".join(document.uri for document in documents[:_MAX_NAMED])
    more = len(documents) - _MAX_NAMED
    return f"{names} and {more} more" if more > 0 else names


def guess_content_type(name: str, head: bytes) -> str:
    """
    Content-Type of a file: by its extension, else by its first bytes, else ``application/octet-stream``.

    :param head: the first bytes of the file; 8 are enough.
    """
    by_extension = CONTENT_TYPES.get(_extension(name))
    if by_extension:
        return by_extension
    return next((kind for magic, kind in _MAGIC_BYTES if head.startswith(magic)), _OCTET_STREAM)


def _extension(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return f".{extension.lower()}" if dot and stem else ""
