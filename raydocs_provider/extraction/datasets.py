"""
Documents as lineage names them: where a file lies, and its name there.

By the naming rules of OpenLineage, whose converters for Airflow's assets are not used: an asset loses what follows a
``#`` or ``?`` in the name of a file, and they know three kinds of storage.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

_SAME = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}
# In front of the host stands a container, elsewhere the id of a connection.
_WITH_CONTAINER = ("abfs", "abfss", "wasb", "wasbs")
_WITH_QUERY = ("http", "https")
_FILE = "file"
# Paths there begin with a slash, keys of object stores do not.
_ROOTED = (_FILE, "hdfs")


class DatasetName(NamedTuple):
    """What something is called in lineage."""

    namespace: str
    name: str


def name_document(uri: str) -> DatasetName:
    """
    What a file is called in lineage.

    A connection id in the URI is left out, and so are user, password and query of a web address: the query may be a
    signature.

    :param uri: of the file, or its path.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return DatasetName(_FILE, uri)
    scheme = _SAME.get(scheme, scheme)
    if scheme in _WITH_QUERY:
        rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, _, path = rest.partition("/")
    userinfo, _, host = authority.rpartition("@")
    if not (scheme in _WITH_CONTAINER and ":" not in userinfo):
        authority = host
    namespace = scheme if scheme == _FILE and not authority else f"{scheme}://{authority}"
    path = path.lstrip("/")
    return DatasetName(namespace, f"/{path}" if scheme in _ROOTED else path or "/")


def fold(names: Iterable[DatasetName], limit: int) -> dict[DatasetName, int]:
    """
    Names for all documents, of which there may be thousands: of their folders where there are too many of them.

    :param limit: how many names there may be. More folders than that are named by the folders that they are in, and so
        on.
    :return: how many documents each name stands for.
    """
    counts = Counter(names)
    while len(counts) > limit and any(name.strip("/") for _, name in counts):
        folders: Counter[DatasetName] = Counter()
        for (namespace, name), count in counts.items():
            folders[DatasetName(namespace, posixpath.dirname(name) or "/")] += count
        counts = folders
    return dict(counts.most_common(limit))
