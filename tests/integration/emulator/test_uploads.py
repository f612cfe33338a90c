"""Signed uploads and downloads, as strict as the storage they stand for."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from urllib.parse import urlsplit

import pytest
import requests

from raydocs_provider.emulator import Emulator
from tests.integration.emulator.client import INVOICE, Client

PDF = {"Content-Type": "application/pdf"}


@pytest.fixture
def client(emulator):
    return Client(emulator)


def put(signed, content=INVOICE, **headers):
    return requests.put(signed["url"], data=content, headers={**PDF, **headers}, timeout=30)


def code_of(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"].startswith("application/xml")
    found = re.search("<Code>(.*)</Code>", answer.text)
    assert found
    return answer.status_code, found[1]


def test_the_bytes_that_were_put_are_the_bytes_of_the_document(client):
    content = os.urandom(3_000_000)
    document = client.wait(client.batch(client.template(), [content], auto_extract=False)[0])["documents"][0]
    assert document["sha256"] == hashlib.sha256(content).hexdigest()
    link = client.get(f"/extractions/documents/{document['id']}/url")
    back = requests.get(link["url"], timeout=30)
    assert back.content == content
    assert back.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("content_type", ["image/png", "application/pdf; charset=utf-8", "APPLICATION/PDF"])
def test_another_content_type_than_the_signed_one_is_refused(client, content_type):
    answer = put(client.sign("application/pdf"), **{"Content-Type": content_type})
    assert code_of(answer) == (403, "SignatureDoesNotMatch")


def test_no_content_type_is_not_the_signed_one_either(client):
    answer = requests.put(client.sign("application/pdf")["url"], data=INVOICE, timeout=30)
    assert code_of(answer) == (403, "SignatureDoesNotMatch")


def test_a_caller_that_names_no_type_is_told_the_type_to_send(client):
    signed = client.post("/vapor/signed-storage-url", {"visibility": "private"})
    assert signed["headers"] == {"Content-Type": "application/octet-stream"}
    assert requests.put(signed["url"], data=INVOICE, headers=signed["headers"], timeout=30).status_code == 200
    bare = client.call("POST", "/vapor/signed-storage-url")
    assert bare.status_code == 200


def test_an_authorization_header_is_refused(client, emulator):
    answer = put(client.sign("application/pdf"), Authorization=f"Bearer {emulator.token}")
    assert code_of(answer) == (400, "InvalidArgument")


def test_a_key_can_be_put_once(client):
    signed = client.sign("application/pdf")
    assert put(signed).status_code == 200
    assert code_of(put(signed, b"other")) == (412, "PreconditionFailed")


def test_a_url_for_another_key_is_refused(client):
    one, two = client.sign("application/pdf"), client.sign("application/pdf")
    forged = {"url": one["url"].replace(one["key"], two["key"])}
    assert code_of(put(forged)) == (403, "SignatureDoesNotMatch")
    assert code_of(put({"url": one["url"].partition("?")[0]})) == (403, "AccessDenied")


def test_a_body_without_a_length_is_refused_as_s3_refuses_it(client):
    answer = put(client.sign("application/pdf"), (part for part in [b"a", b"b"]))
    assert code_of(answer) == (501, "NotImplemented")


def test_signed_urls_expire():
    now = 1_000_000.0
    with Emulator(clock=lambda: now, upload_expiry=300, rate_limit=0, parse_seconds=0, extract_seconds=0) as emulator:
        client = Client(emulator)
        in_time, late = client.sign("application/pdf"), client.sign("application/pdf")
        document = client.wait(client.batch(client.template())[0])["documents"][0]["id"]
        link = client.get(f"/extractions/documents/{document}/url")
        now += 300
        assert put(in_time).status_code == 200
        now += 1
        assert code_of(put(late)) == (403, "AccessDenied")
        now += 298
        assert requests.get(link["url"], timeout=30).content == INVOICE
        now += 2
        assert code_of(requests.get(link["url"], timeout=30)) == (403, "AccessDenied")


def test_an_upload_that_breaks_off_leaves_the_key_free(client):
    signed = client.sign("application/pdf")
    where = urlsplit(signed["url"])
    with socket.create_connection((where.hostname, where.port)) as broken:
        head = f"PUT {where.path}?{where.query} HTTP/1.1\r\nHost: x\r\nContent-Type: application/pdf\r\n"
        broken.sendall(f"{head}Content-Length: 1000\r\n\r\nonly this".encode())
    assert put(signed).status_code == 200


def test_uploads_do_not_count_against_the_rate_limit(make_emulator):
    client = Client(make_emulator(rate_limit=2))
    first, second = client.sign("application/pdf"), client.sign("application/pdf")
    assert client.call("GET", "/workspaces").status_code == 429
    assert put(first).status_code == put(second).status_code == 200
