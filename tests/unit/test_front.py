"""What every request meets: keys, sizes, types, rates, ids, and errors that all have one form."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openai
import pytest
from httpx2 import Response

from tests.unit.api_server import KEY, Running, running
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop
from tuneloop.settings import load
from tuneloop.types import Model

CALL = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}
CHAT = "/v1/chat/completions"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("front")) as started:
        yield started


def error(response: Response) -> dict[str, Any]:
    """The error of an answer, whose form is checked."""
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"].startswith("req_")
    found = response.json()["error"]
    assert set(found) == {"message", "type", "param", "code"}
    assert found["message"] and isinstance(found["message"], str) and isinstance(found["type"], str)
    return dict(found)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nowhere", 404, "unknown_url"),
        ("GET", "/", 404, "unknown_url"),
        ("POST", "/chat/completions", 404, "unknown_url"),
        ("GET", "/v1/files/file-none", 404, None),
        ("GET", "/v1/models/none", 404, "model_not_found"),
        ("DELETE", "/v1/files/%F0%9F%98%80%ff%zz%", 404, None),
        ("GET", "/v1/files/" + "x" * 20_000, 404, None),
        ("GET", "/v1/files/" + "x" * 40_000, 414, "url_too_long"),
        ("GET", "/v1/files?after=" + "x" * 40_000, 414, "url_too_long"),
        ("GET", "/v1/files/a%00b", 400, None),
        ("GET", "/v1/files?after=%00", 400, None),
        ("GET", "/v1/files?after=%ff%fe%zz", 404, None),
        ("PATCH", "/v1/files", 405, None),
        ("PUT", CHAT, 405, None),
        ("GET", "/v1/completions", 405, None),
    ],
)
def test_wrong_urls(server: Running, method: str, path: str, status: int, code: str | None) -> None:
    response = server.client.request(method, path)
    assert response.status_code == status
    assert error(response)["code"] == code
    assert ("allow" in response.headers) == (status == 405)


def test_the_methods_of_a_path(server: Running) -> None:
    response = server.client.put("/v1/files/x")
    assert set(response.headers["allow"].split(", ")) == {"GET", "DELETE"}
    asked = server.client.options("/v1/files/x")
    assert (asked.status_code, asked.content) == (204, b"")
    assert set(asked.headers["allow"].split(", ")) == {"GET", "DELETE", "OPTIONS"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "integer_below_min_value"),
        ("limit=-1", "integer_below_min_value"),
        ("limit=10001", "integer_above_max_value"),
        ("limit=" + "9" * 5000, "invalid_type"),
        ("limit=9999999999999999999999", "integer_above_max_value"),
        ("limit=many", "invalid_type"),
        ("limit=1.5", "invalid_type"),
        ("limit=", "invalid_type"),
    ],
)
def test_wrong_limits(server: Running, query: str, code: str) -> None:
    response = server.client.get(f"/v1/files?{query}")
    found = error(response)
    assert (response.status_code, found["param"], found["code"]) == (400, "limit", code)


BODIES = [
    b"{not json",
    b"",
    b"[]",
    b"null",
    b'"text"',
    b"{\x00}",
    b'{"model": "\xff"}',
    b'{"model": "\\ud800"}',
    b'{"model": NaN}',
    b'{"model": 1e999}',
    b'{"model": ' + b"9" * 5000 + b"}",
    b'{"model": ' + b"[" * 101 + b"]" * 101 + b"}",
    b'{"model": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    b"[" * 100_000,
    b'{"model": "\\u0000", "messages": [], "training_file": "\\u0000", "alias": "\\u0000", "value": "\\u0000"}',
]


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/fine_tuning/jobs", "/v1/deployments", "/v1/feedback"])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:24]))
def test_wrong_bodies(server: Running, path: str, body: bytes) -> None:
    response = server.client.post(path, content=body, headers=JSON)
    assert response.status_code in (400, 404)
    error(response)


def test_a_hundred_levels_are_not_too_deep(server: Running) -> None:
    body = json.dumps({**CALL, "metadata": {}}).replace('"metadata": {}', '"deep": ' + "[" * 99 + "]" * 99)
    assert server.client.post(CHAT, content=body, headers=JSON).status_code == 200
    assert server.client.post(CHAT, content=body.replace("[[[", "[[[["), headers=JSON).status_code == 400
    many = {**CALL, "flat": [{"brackets": "[{" * 200}] * 200}
    assert server.client.post(CHAT, json=many).status_code == 200


def test_the_last_of_two_equal_keys_counts(server: Running) -> None:
    body = b'{"model": "none", "model": "fake", "messages": [{"role": "user", "content": "Hi"}]}'
    assert server.client.post(CHAT, content=body, headers=JSON).status_code == 200


@pytest.mark.parametrize("path", [CHAT, "/v1/fine_tuning/jobs"])
@pytest.mark.parametrize(
    ("content_type", "refused"),
    [
        ("text/plain", True),
        ("text/plain; charset=utf-8", True),
        ("application/x-www-form-urlencoded", True),
        ("multipart/form-data; boundary=x", True),
        ("rubbish", True),
        ("application/json", False),
        ("Application/JSON; charset=UTF-8", False),
        ("application/merge-patch+json", False),
        (None, False),
    ],
)
def test_types_of_bodies(server: Running, path: str, content_type: str | None, refused: bool) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = server.client.post(path, content=json.dumps(CALL).encode(), headers=headers)
    assert (response.status_code == 415) == refused
    if refused:
        assert error(response)["code"] == "unsupported_content_type"


@pytest.mark.parametrize("path", [CHAT, "/v1/fine_tuning/jobs", "/v1/files", "/v1/logs", "/v1/models"])
def test_a_body_declared_too_large_is_refused_unread(server: Running, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    began = time.perf_counter()
    received = server.raw(f"{head}content-length: 99999999999\r\nconnection: close\r\n\r\n".encode())
    assert received.startswith(b"HTTP/1.1 413 ") and b'"request_too_large"' in received
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("path", [CHAT, "/v1/fine_tuning/jobs", "/v1/logs"])
def test_a_body_of_unknown_length_is_refused_when_too_large(server: Running, path: str) -> None:
    response = server.client.post(path, content=(b" " * (1 << 20) for _ in range(65)), headers=JSON)
    assert response.status_code == 413
    assert error(response)["code"] == "request_too_large"
    assert server.client.post(path, content=(b" " * 9_000 for _ in range(3)), headers=JSON).status_code == 400


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/fake", CHAT, "/v1/files", "/v1/nowhere", "/", "/v1/traces"])
def test_nothing_is_open_without_a_key(server: Running, path: str) -> None:
    for header in ("", "Bearer", "Bearer wrong", f"Basic {KEY}", KEY, "Bearer \xff\xfe", f"Bearer {KEY} x"):
        for method in ("GET", "POST", "OPTIONS", "DELETE"):
            response = server.client.request(method, path, headers={b"Authorization": header.encode("latin-1")})
            assert response.status_code == 401
            assert error(response)["code"] == "invalid_api_key"


def test_what_is_open(server: Running) -> None:
    for path in ("/health", "/openapi.json", "/docs"):
        assert server.client.get(path, headers={"Authorization": ""}).status_code == 200


def test_the_documentation_needs_no_network(server: Running) -> None:
    page = server.client.get("/docs", headers={"Authorization": ""}).text
    assets = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(assets) == 3 and "//" not in "".join(assets)
    for path in assets:
        assert len(server.client.get(path, headers={"Authorization": ""}).raise_for_status().content) > 1000
    assert server.client.get("/docs/assets/redoc.standalone.js", headers={"Authorization": ""}).status_code == 401


def test_what_is_no_http(server: Running) -> None:
    for sent in (
        b"rubbish\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nhost: x\r\n\r\n",
    ):
        head, _, body = server.raw(sent).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ") and b"\r\ncontent-type: application/json" in head
        assert b"\r\nx-request-id: req_" in head
        assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


def test_headers_of_every_answer(server: Running) -> None:
    ids = set()
    answers = [
        server.client.get(path) for path in ("/v1/models", "/v1/files", "/v1/nowhere", "/health", "/v1/files?limit=0")
    ]
    answers += [
        server.client.post(CHAT, json=call) for call in (CALL, {**CALL, "model": "none"}, {**CALL, "stream": True})
    ]
    answers.append(server.client.get("/v1/models", headers={"Authorization": ""}))
    for response in answers:
        ids.add(response.headers["x-request-id"])
        assert len(response.headers.get_list("x-request-id")) == 1
        assert response.headers["openai-version"] == "2020-10-01"
        assert response.headers["openai-organization"] == "local"
        assert response.headers["openai-processing-ms"].isdigit()
        assert "access-control-allow-origin" not in response.headers
        assert not [name for name in response.headers if name.startswith("x-ratelimit")]
    assert len(ids) == len(answers)


def test_head_is_get_without_the_body(server: Running) -> None:
    got, head = (server.client.request(method, "/v1/models") for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))
    assert server.client.head("/v1/models/none").status_code == 404


def test_a_slash_at_the_end_changes_nothing(server: Running) -> None:
    for path in ("/v1/models", "/v1/models/fake", "/v1/files", "/health"):
        assert server.client.get(f"{path}/").json() == server.client.get(path).json()
    assert server.client.post(f"{CHAT}/", json=CALL).status_code == 200


def test_what_clients_send_along_is_ignored(server: Running) -> None:
    headers = {"Idempotency-Key": "k", "OpenAI-Organization": "org-x", "OpenAI-Project": "p", "OpenAI-Beta": "x=v2"}
    headers |= {"X-Stainless-Lang": "python", "X-Stainless-Retry-Count": "0", "Cookie": "a=b", "Accept": "text/html"}
    assert server.client.get("/v1/models", headers=headers).status_code == 200
    assert server.client.post(CHAT, json={**CALL, "unheard_of": 1}, headers=headers).status_code == 200


def test_the_rate_limit(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit=300) as server:
        for left in range(299, -1, -1):
            response = server.client.get("/v1/files")
            assert response.status_code == 200
            assert response.headers["x-ratelimit-limit-requests"] == "300"
            assert int(response.headers["x-ratelimit-remaining-requests"]) >= left
            if int(response.headers["x-ratelimit-remaining-requests"]) == 0:
                break
        while (refused := server.client.post(CHAT, json=CALL)).status_code == 200:
            pass
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1" and 0 < int(refused.headers["retry-after-ms"]) <= 200
        assert re.fullmatch(r"\d+\.\d+s", refused.headers["x-ratelimit-reset-requests"])
        found = error(refused)
        assert (found["code"], found["type"]) == ("rate_limit_exceeded", "requests")
        assert server.client.get("/v1/files", headers={"Authorization": "Bearer wrong"}).status_code == 401
        # What the server asks of itself (batches, judges) is not held up.
        own = {"Authorization": f"Bearer {server.loop.own_key}"}
        assert server.client.get("/v1/files", headers=own).status_code == 200
        # The official client waits as long as it is told, and gets through.
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=5) as client:
            for _ in range(3):
                client.models.list()


def test_pages_of_allowed_origins_may_read(tmp_path: Path) -> None:
    with running(tmp_path, origins=("https://app.example",)) as server:
        page = {"Origin": "https://app.example"}
        for response in (
            server.client.get("/v1/models", headers=page),
            server.client.post(CHAT, json=CALL, headers=page),
            server.client.get("/v1/models", headers={**page, "Authorization": ""}),
        ):
            assert response.headers["access-control-allow-origin"] == "https://app.example"
        asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        allowed = server.client.options(CHAT, headers={**page, **asking, "Authorization": ""})
        assert (allowed.status_code, allowed.headers["access-control-allow-headers"]) == (200, "authorization")
        assert "x-request-id" in allowed.headers
        stranger = {"Origin": "https://evil.example"}
        assert "access-control-allow-origin" not in server.client.get("/v1/models", headers=stranger).headers
        assert server.client.options(CHAT, headers={**stranger, **asking, "Authorization": ""}).status_code == 401


def test_a_compressed_body_is_no_json(server: Running) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    response = server.client.post(CHAT, content=gzip.compress(json.dumps(CALL).encode()), headers=headers)
    assert response.status_code == 400
    error(response)


def test_our_own_mistakes_are_500_in_the_same_form(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a mistake")

    def prepare(loop: Loop) -> None:
        loop.routes.__dict__["catalog"] = broken  # a route of the nouns fails ...

    with running(tmp_path, prepare=prepare) as server:
        response = server.client.get("/v1/models")
        assert response.status_code == 500
        assert error(response)["type"] == "server_error"
        server.loop.routes.__dict__["keys"] = broken  # ... and the front itself
        response = server.client.get("/v1/files", headers={"Authorization": "Bearer another"})
        assert response.status_code == 500
        assert error(response)["type"] == "server_error"
    assert caplog.text.count("ZeroDivisionError: a mistake") >= 2


def test_ids_with_slashes_and_colons_encoded_or_not(server: Running) -> None:
    name = "ft:hf:org/name:local:suf fix:ü"
    model = Model(id=name, created_at=1.0, kind="tuned", base="hf:org/name", owned_by="local")
    server.loop.store.models.add(model)
    server.loop.store.deployments.touch()
    server.loop.routes.forget()
    encoded = quote(name, safe="")
    for path in (encoded, quote(name, safe=":/"), encoded.lower(), f"{encoded}/"):
        assert server.client.get(f"/v1/models/{path}").json()["id"] == name
        permissions = server.client.get(f"/v1/fine_tuning/checkpoints/{path.rstrip('/')}/permissions")
        assert permissions.json()["data"] == []
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY) as client:
        assert client.models.retrieve(name).id == name
        assert client.models.delete(name).deleted
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(name)


def test_a_large_body_is_read_beside_the_event_loop(server: Running) -> None:
    for filling, status in (('"x"', 404), ("oops", 400)):
        body = f'{{"model": "none", "training_file": "f", "more": [{filling}], "long": "{"x" * 400_000}"}}'
        response = server.client.post("/v1/fine_tuning/jobs", content=body, headers=JSON)
        assert response.status_code == status
        error(response)


def test_settings_of_the_front(tmp_path: Path) -> None:
    found = load({"TUNELOOP_HOME": str(tmp_path), "TUNELOOP_RATE_LIMIT": "5", "TUNELOOP_ORIGINS": "https://a.b, *"})
    assert (found.rate_limit, found.origins) == (5, ("https://a.b", "*"))
    with pytest.raises(InvalidInput, match="TUNELOOP_RATE_LIMIT"):
        load({"TUNELOOP_HOME": str(tmp_path), "TUNELOOP_RATE_LIMIT": "-1"})
