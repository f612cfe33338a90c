"""What documents are called in lineage, and how thousands of them are."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.extraction.datasets import DatasetName, fold, name_document


@pytest.mark.parametrize(
    ("uri", "namespace", "name"),
    [
        ("s3://inbox/2026/02/a.pdf", "s3://inbox", "2026/02/a.pdf"),
        ("s3a://inbox/a.pdf", "s3://inbox", "a.pdf"),
        ("s3://aws_default@inbox/a.pdf", "s3://inbox", "a.pdf"),
        ("s3://inbox/Invoice #12?.pdf", "s3://inbox", "Invoice #12?.pdf"),
        ("gs://inbox/a.pdf", "gs://inbox", "a.pdf"),
        ("gcs://inbox/a.pdf", "gs://inbox", "a.pdf"),
        ("file:///data/a.pdf", "file", "/data/a.pdf"),
        ("file://server/data/a.pdf", "file://server", "/data/a.pdf"),
        ("/data/a b.pdf", "file", "/data/a b.pdf"),
        ("hdfs://namenode:8020/data/a.pdf", "hdfs://namenode:8020", "/data/a.pdf"),
        ("abfs://inbox/a.pdf", "abfs://inbox", "a.pdf"),
        (
            "abfss://inbox@account.dfs.core.windows.net/a.pdf",
            "abfss://inbox@account.dfs.core.windows.net",
            "a.pdf",
        ),
        ("wasbs://key:secret@account.blob.core.windows.net/a.pdf", "wasbs://account.blob.core.windows.net", "a.pdf"),
        ("https://files.example.com/a.pdf", "https://files.example.com", "a.pdf"),
        ("https://me:secret@files.example.com/a.pdf?X-Amz-Signature=1#2", "https://files.example.com", "a.pdf"),
        ("sftp://host:22/in/a.pdf", "sftp://host:22", "in/a.pdf"),
    ],
)
def test_a_document_is_named_by_the_rules_of_openlineage_and_without_secrets(
    uri: str, namespace: str, name: str
) -> None:
    assert name_document(uri) == (namespace, name)


@pytest.mark.parametrize("uri", ["s3://inbox/2026/02/a.pdf", "s3://inbox/a.pdf", "file:///data/a.pdf"])
def test_a_document_has_the_name_that_the_providers_of_airflow_give_it(uri: str) -> None:
    from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset
    from airflow.sdk import Asset

    translated = translate_airflow_asset(Asset(uri=uri), None)
    assert name_document(uri) == (translated.namespace, translated.name)


def in_bucket(*names: str) -> list[DatasetName]:
    return [DatasetName("s3://inbox", name) for name in names]


def test_documents_have_their_own_names_as_long_as_they_are_few() -> None:
    names = in_bucket("a.pdf", "2026/b.pdf")
    assert fold(names, 2) == dict.fromkeys(names, 1)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (4, {"2026/01": 2, "2026/02": 2, "2025/12": 1}),
        (2, {"2026": 4, "2025": 1}),
        (1, {"/": 5}),
    ],
)
def test_many_documents_are_named_by_their_folders(limit: int, expected: dict[str, int]) -> None:
    names = in_bucket("2026/01/a.pdf", "2026/01/b.pdf", "2026/02/a.pdf", "2026/02/b.pdf", "2025/12/a.pdf")
    assert fold(names, limit) == {DatasetName("s3://inbox", name): count for name, count in expected.items()}


def test_of_more_buckets_than_there_may_be_names_those_with_the_most_documents_are_named() -> None:
    names = [DatasetName(f"s3://{bucket}", "a.pdf") for bucket in "abbc"]
    assert fold(names, 1) == {DatasetName("s3://b", "/"): 2}


parts = st.text("ab.", min_size=1, max_size=2)
documents = st.builds(
    DatasetName, st.sampled_from(["file", "s3://a", "s3://b"]), st.lists(parts, min_size=1, max_size=4).map("/".join)
)


@given(st.lists(documents, max_size=30), st.integers(3, 10))
def test_each_document_counts_once_and_only_in_its_own_bucket(names: list[DatasetName], limit: int) -> None:
    folded = fold(names, limit)
    assert len(folded) <= limit
    totals: Counter[str] = Counter()
    for (namespace, _), count in folded.items():
        totals[namespace] += count
    assert totals == Counter(namespace for namespace, _ in names)
