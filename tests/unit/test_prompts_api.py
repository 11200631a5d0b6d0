"""Prompts over HTTP and from the command line: saved, listed, filled in, and calls that name one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from typer.testing import CliRunner

from tests.unit import api_server
from tests.unit.api_server import KEY, Running, ask
from tuneloop.cli.commands import app
from tuneloop.engines import response_shapes
from tuneloop.testing import Answer, UpstreamFake

SYSTEM = {"role": "system", "content": "You answer for {{company}}."}
USER = {"role": "user", "content": "Q: {{input}}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with api_server.running(tmp_path_factory.mktemp("home")) as started:
        yield started


def test_a_prompt_from_its_first_version_to_its_end(server: Running) -> None:
    first = ask(server, "POST", "/prompts", {"name": "life", "messages": [SYSTEM, USER], "note": "n"})
    assert first == {
        "id": first["id"],
        "object": "prompt",
        "name": "life",
        "version": 1,
        "created_at": first["created_at"],
        "messages": [SYSTEM, USER],
        "variables": ["company", "input"],
        "model": None,
        "parameters": {},
        "tools": [],
        "response_format": None,
        "note": "n",
    }
    assert ask(server, "POST", "/prompts", {"name": "life", "messages": [SYSTEM, USER]}) == first
    second = ask(server, "POST", "/prompts", {"name": "life", "messages": [SYSTEM], "parameters": {"seed": 1}})
    for name, expected in (("life", second), ("life@1", first), ("life@latest", second), (first["id"], first)):
        assert ask(server, "GET", f"/prompts/{name}") == expected
    assert ask(server, "GET", "/prompts")["data"] == [second]
    page = ask(server, "GET", "/prompts/life/versions?limit=1")
    assert page["data"] == [second] and page["has_more"]
    assert ask(server, "GET", f"/prompts/life/versions?after={page['last_id']}")["data"] == [first]
    deleted = {"id": "life@2", "object": "prompt.deleted", "deleted": True}
    assert ask(server, "DELETE", "/prompts/life@2") == deleted
    assert ask(server, "GET", "/prompts/life") == first
    ask(server, "DELETE", "/prompts/life")
    for method, path in (("GET", "/prompts/life"), ("GET", "/prompts/life/versions"), ("DELETE", "/prompts/life")):
        error = ask(server, method, path, status=404)["error"]
        assert error["param"] == "name" and "tuneloop prompts list" in error["message"]


def test_a_prompt_is_filled_in_without_a_call(server: Running) -> None:
    ask(server, "POST", "/prompts", {"name": "fill", "messages": [SYSTEM], "model": "fake", "parameters": {"seed": 1}})
    ask(server, "POST", "/prompts", {"name": "fill", "messages": [USER]})
    variables = {"variables": {"company": "{{input}}"}}
    for path, body in (
        ("fill@1", variables),
        ("fill", {**variables, "version": 1}),
        ("fill", {**variables, "version": "1"}),
    ):
        made = ask(server, "POST", f"/prompts/{path}/render", body)
        assert (made["object"], made["prompt"]) == ("prompt.rendered", "fill@1")
        messages = [{"role": "system", "content": "You answer for {{input}}."}]
        assert made["request"] == {"model": "fake", "messages": messages, "seed": 1}
    wrong: list[tuple[Any, str, int]] = [
        ({}, "variables.input", 400),
        ({"variables": {"inputt": "x"}}, "variables.inputt", 400),
        ({"variables": []}, "variables", 400),
        ({"version": 9}, "version", 404),
        ({"version": {}}, "version", 400),
    ]
    for body, param, status in wrong:
        assert ask(server, "POST", "/prompts/fill/render", body, status)["error"]["param"] == param


def test_a_call_that_names_a_prompt(server: Running) -> None:
    ask(server, "POST", "/prompts", {"name": "call", "messages": [SYSTEM, USER], "parameters": {"temperature": 0}})
    with OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
        prompt = {"id": "call", "version": "1", "variables": {"company": "Acme"}}
        answer = client.chat.completions.with_raw_response.create(
            model="fake",
            messages=[{"role": "user", "content": "Hi"}],
            metadata={"id": "7"},
            extra_body={"prompt": prompt},
        )
    sent = {
        "model": "fake",
        "temperature": 0,
        "metadata": {"id": "7"},
        "messages": [
            {"role": "system", "content": "You answer for Acme."},
            {"role": "user", "content": "Q: Hi"},
        ],
    }
    assert server.upstream.requests[-1].json == sent
    log = ask(server, "GET", f"/logs/{answer.headers['x-tuneloop-log-id']}")
    assert (log["prompt"], log["request"], log["metadata"]) == ("call@1", sent, {"id": "7"})
    assert log["input_text"] == "Q: Hi"
    found = server.client.get("/v1/logs", params={"where": "prompt = 'call@1'"}).json()["data"]
    assert [one["id"] for one in found] == [log["id"]]


def test_responses_take_prompts_as_openai_has_them(server: Running) -> None:
    ask(server, "POST", "/prompts", {"name": "resp", "messages": [SYSTEM], "model": "fake"})
    whole = response_shapes.ended(response_shapes.begun({"model": "fake"}, "resp_1", 1.0), [], "stop", None, 1.0)
    server.upstream.enqueue(*[Answer(raw=json.dumps(whole).encode())] * 2)
    with OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
        client.responses.create(prompt={"id": "resp", "variables": {"company": "Acme"}}, input="Hi")
        sent = server.upstream.requests[-1].json
        message = {"type": "message", "role": "user", "content": "Hi"}
        asked = {"model": "fake", "input": [{"role": "system", "content": "You answer for Acme."}, message]}
        assert sent == asked
        theirs: Any = {"id": "pmpt_0123", "variables": {"company": "Acme"}}
        client.responses.create(model="fake", prompt=theirs, input="Hi")
        assert server.upstream.requests[-1].json == {"model": "fake", "prompt": theirs, "input": "Hi"}


def test_what_is_wrong_with_a_call_is_said_and_logged(server: Running) -> None:
    ask(server, "POST", "/prompts", {"name": "wrong", "messages": [SYSTEM]})
    wrong: list[tuple[dict[str, Any], str, int]] = [
        ({"name": "wrong"}, "prompt.variables.company", 400),
        ({"name": "wrong", "variables": {"company": "x"}}, "model", 400),
        ({"name": "none-such"}, "prompt.name", 404),
    ]
    for prompt, param, status in wrong:
        before = len(server.upstream.requests)
        answered = server.client.post("/v1/chat/completions", json={"prompt": prompt})
        assert (answered.status_code, answered.json()["error"]["param"]) == (status, param)
        log = ask(server, "GET", f"/logs/{answered.headers['x-tuneloop-log-id']}")
        assert (log["status"], log["prompt"], log["request"]) == (status, None, {"prompt": prompt})
        assert len(server.upstream.requests) == before


@pytest.mark.parametrize("prompt", [b"null", b'"a text"', b"[1]"])
def test_a_call_without_our_field_goes_through_byte_for_byte(server: Running, prompt: bytes) -> None:
    raw = b'{ "model":"fake", "prompt" : %b,"messages":[{"role":"user","content":"Hi"}], "top_p":1.0}' % prompt
    answered = server.client.post("/v1/chat/completions", content=raw, headers={"Content-Type": "application/json"})
    assert answered.status_code == 200 and server.upstream.requests[-1].body == raw


def test_a_prompt_is_made_of_logs(server: Running) -> None:
    ids = []
    for name, question in (("Ann", "one?"), ("Bo", "two?")):
        messages = [{"role": "system", "content": f"You help our customers.\nName: {name}"}]
        messages.append({"role": "user", "content": question})
        call = {"model": "fake", "messages": messages, "temperature": 0}
        answered = server.client.post("/v1/chat/completions", json=call)
        ids.append(answered.headers["x-tuneloop-log-id"])
    made = ask(server, "POST", "/prompts", {"name": "made", "logs": ids})
    assert made["messages"] == [
        {"role": "system", "content": "You help our customers.\nName: {{name}}"},
        {"role": "user", "content": "{{input}}"},
    ]
    assert (made["model"], made["parameters"]) == ("fake", {"temperature": 0})
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"logs": ids, "messages": [USER]}, "logs"),
        ({"logs": "x"}, "logs"),
        ({"logs": [3]}, "logs"),
        ({"logs": []}, "logs"),
        ({"logs": ids, "keep_input": "yes"}, "keep_input"),
        ({"logs": ids, "note": 3}, "note"),
    ]
    for body, param in wrong:
        error = ask(server, "POST", "/prompts", {"name": "made", **body}, 400)["error"]
        assert error["param"] == param, body
    assert ask(server, "POST", "/prompts", {"name": "made", "logs": ["none"]}, 404)["error"]["param"] == "log_id"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNELOOP_HOME", str(tmp_path))
    return tmp_path


def run(*arguments: str, stdin: str | None = None, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["prompts", *arguments], input=stdin)
    if status == 0:
        assert done.exit_code == 0, done.output + repr(done.exception)
        return done.stdout
    assert done.exit_code == status
    return done.output + str(done.exception)


def test_the_command_line(home: Path) -> None:
    assert "tuneloop prompts starters" in run("list")
    text = home / "p.txt"
    text.write_text("model: fake\n--- system\nYou answer for {{company}}.\n")
    assert "p@1 saved, with company" in run("save", "p", str(text), "--parameter", "temperature=0.5", "--note", "first")
    assert "p@1 says this already" in run("save", "p", str(text), "--parameter", "temperature=0.5")
    shown = run("show", "p")
    assert shown == "model: fake\ntemperature: 0.5\n--- system\nYou answer for {{company}}.\n"
    assert "p@1 says this already" in run("save", "p", "-", stdin=shown)
    assert "p@2 saved, with input" in run("save", "p", "-", "--model", "m", stdin=json.dumps([USER]))
    assert json.loads(run("show", "p@1", "--json"))["note"] == "first"
    assert run("diff", "p") == run("diff", "p@1", "p@2")
    assert "-You answer for {{company}}.\n" in run("diff", "p") and "+Q: {{input}}\n" in run("diff", "p")
    assert "say the same" in run("diff", "p@1", "p@1")
    assert "q@1 saved" in run("save", "q", "-", "--set", "company=Acme", stdin=shown)
    assert "You answer for Acme.\n" in run("show", "q")
    assert "p@2" in run("list") and "p@1" not in run("list") and "p@1" in run("list", "p")
    value = home / "value.txt"
    value.write_text("Acme {{x}}\n")
    request = json.loads(run("render", "p@1", "--set", f"company=@{value}"))
    assert request["messages"][0]["content"] == "You answer for Acme {{x}}."
    assert "2 versions deleted" in run("delete", "p")


def test_starters_from_the_command_line(home: Path) -> None:
    assert "customer-service" in run("starters")
    said = run("start", "customer-service", "--as", "support", "--set", "company=Acme")
    assert "support@1 saved, with subjects, facts, handover, input" in said
    assert "subjects: one a line" in said and "company:" not in said
    assert "support@2 saved, with input" in run(
        "start", "customer-service", "--as", "support", "--short", "--set", "company=A"
    )
    assert "--- user\n{{input}}" in run("show", "support@2")


@pytest.fixture
def upstream(home: Path) -> Iterator[UpstreamFake]:
    """What answers as "fake", which costs a dollar a token."""
    with UpstreamFake() as fake:
        told = f'name = "fake"\nbase_url = "{fake.base_url}"\nmodels = ["fake*"]'
        (home / "settings.toml").write_text(f"[[upstreams]]\n{told}\n[prices.fake]\ninput = 1e6\noutput = 1e6\n")
        yield fake


def test_two_versions_side_by_side(upstream: UpstreamFake) -> None:
    run("save", "p", "-", "--model", "fake", stdin="You answer for {{company}}.")
    run("save", "p", "-", "--model", "fake", stdin=json.dumps([SYSTEM, USER]))
    told = ("--set", "company=Acme", "--input", "Where?")
    upstream.enqueue(Answer(text="first answer"), Answer(text="second answer"))
    said = run("try", "p@1", "p@2", *told)
    assert "first answer" in said and "second answer" in said and "$7.000000" in said
    asked = [[one["content"] for one in request.json["messages"]] for request in upstream.requests]
    assert asked == [["You answer for Acme.", "Where?"], ["You answer for Acme.", "Q: Where?"]]
    upstream.enqueue(Answer(text="fine"), Answer(status=400, text="too much"))
    lines = [json.loads(line) for line in run("try", "p", "fake2+p@1", *told, "--json").splitlines()]
    assert [(line["side"], line["model"], line["prompt"], line["answer"]) for line in lines] == [
        ("p", "fake", "p@2", "fine"),
        ("fake2+p@1", "fake2", "p@1", ""),
    ]
    assert "too much" in lines[1]["error"] and lines[0]["cost"] == 7 and lines[0]["latency_ms"] > 0
    run("try", "fake", "--prompt", "p@1", "--max-tokens", "9", *told)
    assert upstream.requests[-1].json["max_tokens"] == 9
    assert "a value for 'company'" in run("try", "p", "--input", "x", status=1)
    assert "no side has a variable 'x'" in run("try", "fake", "--input", "y", "--set", "x=1", status=1)


def test_the_rows_of_a_data_set_are_tried(home: Path, upstream: UpstreamFake) -> None:
    talk = [{"role": "system", "content": "old"}, {"role": "user", "content": "q0"}]
    rows = [
        {"messages": [talk[0], {"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}]}
        for n in range(12)
    ]
    file = home / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    done = CliRunner().invoke(app, ["datasets", "import", "set", str(file), "--into", "validation"])
    assert done.exit_code == 0, done.output
    run("save", "p", "-", "--model", "fake", stdin="new")
    lines = [json.loads(line) for line in run("try", "p", "fake", "--on", "set", "--rows", "2", "--json").splitlines()]
    assert len(lines) == 4 and all(line["reference"] == line["input"].replace("q", "a") for line in lines)
    assert [request.json["messages"][0]["content"] for request in upstream.requests] == ["new", "old"] * 2
    said = run("try", "p", "--on", "set", "--rows", "2")
    assert "tokens and" in said and "reference" in said


def test_from_calls_to_a_prompt_and_back(home: Path) -> None:
    call = {"request": {"model": "m", "messages": [{"role": "system", "content": "Be {{brief}}."}, USER]}}
    file = home / "log.jsonl"
    file.write_text(json.dumps({**call, "response": {"choices": [{"message": {"role": "assistant", "content": "x"}}]}}))
    done = CliRunner().invoke(app, ["logs", "import", str(file)])
    assert done.exit_code == 0, done.output
    listed = CliRunner().invoke(app, ["logs", "list", "--json"])
    log_id = json.loads(listed.stdout)["id"]
    assert "`tuneloop prompts import NAME" in run("of", log_id)
    assert "p@1 saved, with input" in run("import", "p", log_id)
    assert run("show", "p") == "model: m\n--- system\nBe \\{{brief}}.\n--- user\n{{input}}\n"
    assert "p@1 (by its text)" in run("of", log_id)
    assert "p@1 says this already" in run("import", "p", "--where", "model = m")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("show", "nobody"), "no prompt 'nobody'"),
        (("save", "p", "/nowhere/p.txt"), "cannot read"),
        (("save", "p", "-", "--parameter", "hot"), "expected NAME=VALUE"),
        (("render", "p", "--set", "x"), "no prompt 'p'"),
        (("import", "p"), "--where FILTER"),
        (("import", "p", "--where", "status = 200"), "no Log"),
        (("import", "p", "log_1"), "no log 'log_1'"),
        (("start", "nobody"), "there are api-call"),
        (("try", "nobody", "--input", "x"), "neither a prompt nor a model"),
        (("try", "smollm2-135m-instruct"), "nothing to ask"),
    ],
)
def test_what_is_wrong_on_the_command_line(home: Path, arguments: tuple[str, ...], why: str) -> None:
    assert why in run(*arguments, stdin="{{a}}", status=1)
