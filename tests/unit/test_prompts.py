"""Prompts: the language of templates, filling in, reading, calls that name one, calls that one is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop import prompts
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.prompts import Draft, Prompt, alignment, drafts, requests, starters, templates, text_form
from tuneloop.prompts.templates import Variable
from tuneloop.store import Store
from tuneloop.types import Json, Log, Message

PIECES = [*"\\{}ab \n-", "{{", "}}", "{{a}}", "{{ b }}", "---", "--- user"]
TRICKY = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
ROLES = st.sampled_from(drafts.ROLES)
NAMES = st.sampled_from(["a", "b", "input", "x.y-z", "größe"])


def a_prompt(*contents: str, roles: Sequence[str] = ("system", "user"), **fields: Any) -> Prompt:
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
    return Prompt(**{"name": "p", "version": 1, "id": "pmpt_1", "created_at": 0.0, "messages": messages, **fields})


def chat(*said: str) -> list[Message]:
    """A user and an assistant in turn."""
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]


class TestTemplates:
    @given(TRICKY)
    def test_what_is_escaped_comes_back(self, text: str) -> None:
        assert templates.fill(templates.escape(text), {}) == text
        assert templates.variables(templates.escape(text)) == []

    @given(st.lists(TRICKY | NAMES.map(Variable), max_size=6))
    def test_what_is_written_is_read(self, pieces: list[str | Variable]) -> None:
        written = templates.write(pieces)
        values = {name: f"<{name}>" for name in templates.variables(written)}
        expected = "".join(piece if isinstance(piece, str) else f"<{piece.name}>" for piece in pieces)
        assert templates.fill(written, values) == expected
        assert templates.write(templates.parse(written)) == written

    @given(st.lists(TRICKY | NAMES.map(Variable), max_size=6), st.dictionaries(NAMES, TRICKY))
    def test_values_are_put_in_once(self, pieces: list[str | Variable], some: dict[str, str]) -> None:
        written = templates.write(pieces)
        values = {name: some.get(name, "") for name in templates.variables(written)}
        said = templates.fill(written, values)
        assert said == "".join(piece if isinstance(piece, str) else values[piece.name] for piece in pieces)
        assert templates.matches(written, said)
        fixed = templates.fix(written, some)
        assert set(templates.variables(fixed)) == set(values) - set(some)
        assert templates.fill(fixed, values) == said

    @pytest.mark.parametrize(
        ("text", "filled"),
        [
            ("{{a}} and {{ a }}", "A and A"),
            ('{"x": {{a}}}', '{"x": A}'),
            ("{{{a}}}", "{A}"),
            (r"\{{a}}", "{{a}}"),
            (r"\\{{a}}", r"\A"),
            ('{"x": {"y": 1}} {single}', '{"x": {"y": 1}} {single}'),
        ],
    )
    def test_braces(self, text: str, filled: str) -> None:
        assert templates.fill(text, {"a": "A"}) == filled

    @pytest.mark.parametrize("text", ["{{", "{{ a b }}", "{{a}", "{{1a}}", "x {{% if %}}", "{{" + "a" * 65 + "}}"])
    def test_braces_that_are_neither_are_refused(self, text: str) -> None:
        with pytest.raises(InvalidInput, match="begins like a variable"):
            templates.parse(text)

    @pytest.mark.parametrize(
        ("text", "said", "yes"),
        [
            ("Hello", "Hello", True),
            ("Hello", "Hello!", False),
            ("Hi {{a}}!", "Hi Bo!", True),
            ("Hi {{a}}!", "Hi Bo", False),
            ("{{a}}xx{{b}}x", "xxx", True),
            ("a{{v}}a", "a", False),
            ("{{a}}-{{b}}-{{c}}", "1-2", False),
        ],
    )
    def test_what_a_text_can_be_a_filling_of(self, text: str, said: str, yes: bool) -> None:
        assert templates.matches(text, said) is yes

    def test_long_texts_take_no_longer_than_they_are(self) -> None:
        for text in ("\\" * 300_000, "{" * 300_000, "{{" + " " * 300_000 + "}}", "\\{{ " * 50_000):
            assert templates.fill(templates.escape(text), {}) == text


class TestRendering:
    def test_values(self) -> None:
        prompt = a_prompt("{{a}} {{b}} {{c}} {{d}}")
        values: dict[str, Json] = {"a": "{{b}}", "b": 3, "c": {"x": [True]}}
        values["d"] = {"type": "input_text", "text": "t"}
        assert prompts.render(prompt, values)[0]["content"] == '{{b}} 3 {"x":[true]} t'

    def test_what_is_missing_and_what_is_unknown_is_named(self) -> None:
        prompt = a_prompt("{{company}}", "{{input}}")
        with pytest.raises(InvalidInput, match="a value for 'company', 'input'") as missing:
            prompts.render(prompt, {})
        assert missing.value.param == "variables.company"
        with pytest.raises(InvalidInput, match="no variable 'compny': it has 'company', 'input'") as unknown:
            prompts.render(prompt, {"compny": "x", "input": "y"})
        assert unknown.value.param == "variables.compny"
        with pytest.raises(InvalidInput, match="values of variables here are texts"):
            prompts.render(a_prompt("{{a}}"), {"a": {"type": "input_image", "image_url": "x"}})

    def test_values_can_be_written_into_it(self) -> None:
        draft = a_prompt("{{a}} {{b}}", "{{a}}")
        fixed = prompts.fix(draft, {"a": "{{b}}"})
        assert [one["content"] for one in fixed.messages] == [r"\{{b}} {{b}}", r"\{{b}}"]
        with pytest.raises(InvalidInput, match="no variable 'c': there are 'a', 'b'"):
            prompts.fix(draft, {"c": ""})

    def test_only_texts_are_templates(self) -> None:
        picture = {"type": "image_url", "image_url": {"url": "{{a}}"}}
        call = {"role": "assistant", "tool_calls": [{"id": "{{a}}"}]}
        content = [{"type": "text", "text": "{{a}}"}, picture]
        prompt = a_prompt(messages=[{"role": "user", "content": content, "name": "{{a}}"}, call])
        assert prompts.render(prompt, {"a": "A"}) == [
            {"role": "user", "content": [{"type": "text", "text": "A"}, picture], "name": "{{a}}"},
            call,
        ]

    def test_a_row_keeps_its_conversation_and_loses_its_instructions(self) -> None:
        row = [{"role": "developer", "content": "old"}, *chat("one", "two", "three")]
        assert prompts.messages(a_prompt("new {{x}}"), row, {"x": "X", "unused": "-"}) == [
            {"role": "system", "content": "new X"},
            *chat("one", "two", "three"),
        ]

    def test_input_is_the_last_user_message(self) -> None:
        prompt = a_prompt("S", "Q: {{input}}")
        tool: list[Message] = [{"role": "assistant", "tool_calls": []}, {"role": "tool", "content": "42"}]
        made = prompts.messages(prompt, [*chat("one", "two", "three"), *tool], {})
        assert made == [{"role": "system", "content": "S"}, *chat("one", "two", "Q: three"), *tool]
        given_value = prompts.messages(prompt, chat("one"), {"input": "given"})
        assert [one["content"] for one in given_value] == ["S", "Q: given", "one"]
        in_system = prompts.messages(a_prompt("About {{input}}"), chat("one"), {})
        assert [one["content"] for one in in_system] == ["About one", "one"]
        with pytest.raises(InvalidInput, match="a value for 'input'"):
            prompts.messages(prompt, [], {})

    def test_pictures_stay_with_the_question(self) -> None:
        picture = {"type": "image_url", "image_url": {"url": "data:"}}
        asked = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}]
        made = prompts.messages(a_prompt("S", "Q: {{input}}"), asked, {})
        assert made[1]["content"] == [{"type": "text", "text": "Q: What is it?"}, picture]

    def test_what_it_brings_along(self) -> None:
        prompt = a_prompt("S", parameters={"temperature": 0}, tools=[{"type": "function"}], model="m")
        assert prompts.defaults(prompt) == {"temperature": 0, "tools": [{"type": "function"}]}
        assert prompts.request(prompt, {}) == {"model": "m", "messages": prompt.messages, **prompts.defaults(prompt)}


class TestReading:
    @pytest.mark.parametrize(
        ("change", "param"),
        [
            ({"name": None}, "name"),
            ({"name": "a/b"}, "name"),
            ({"name": "-a"}, "name"),
            ({"name": "a@1"}, "name"),
            ({"messages": None}, "messages"),
            ({"messages": []}, "messages"),
            ({"messages": "x"}, "messages"),
            ({"messages": ["x"]}, "messages[0]"),
            ({"messages": [{"content": "x"}]}, "messages[0].role"),
            ({"messages": [{"role": "boss", "content": "x"}]}, "messages[0].role"),
            ({"messages": [{"role": "user"}]}, "messages[0].content"),
            ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
            ({"messages": [{"role": "user", "content": "{{"}]}, "messages[0].content"),
            ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
            ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
            ({"model": 3}, "model"),
            ({"model": ""}, "model"),
            ({"parameters": []}, "parameters"),
            ({"parameters": {"temperature": 2.1}}, "parameters.temperature"),
            ({"parameters": {"temperature": "hot"}}, "parameters.temperature"),
            ({"parameters": {"temperature": True}}, "parameters.temperature"),
            ({"parameters": {"max_tokens": 1.5}}, "parameters.max_tokens"),
            ({"parameters": {"messages": []}}, "parameters.messages"),
            ({"parameters": {"a b": 1}}, "parameters.a b"),
            ({"tools": {}}, "tools"),
            ({"tools": [1]}, "tools[0]"),
            ({"response_format": "json"}, "response_format"),
            ({"note": 1}, "note"),
        ],
    )
    def test_what_is_wrong_is_named(self, change: Mapping[str, Json], param: str) -> None:
        good = {"name": "p", "messages": [{"role": "user", "content": "x"}]}
        assert prompts.read(good).messages == good["messages"]
        with pytest.raises(InvalidInput) as error:
            prompts.read({**good, **change})
        assert error.value.param == param

    def test_null_is_nothing(self) -> None:
        given: dict[str, Json] = {"name": "p", "messages": [{"role": "user", "content": "x"}]}
        empty = dict.fromkeys(("model", "parameters", "tools", "response_format", "note"))
        assert prompts.read({**given, **empty, "parameters": {"seed": None}}) == prompts.read(given)

    @given(
        st.lists(
            st.fixed_dictionaries(
                {"role": ROLES, "content": TRICKY | st.just([{"type": "text", "text": "---"}])},
                optional={"name": TRICKY},
            )
            | st.fixed_dictionaries({"role": ROLES, "tool_calls": st.just([{"id": "---"}])}),
            min_size=1,
            max_size=3,
        ),
        st.none() | TRICKY.filter(bool),
        st.dictionaries(
            st.sampled_from(["stop", "seed", "logit_bias"]), TRICKY | st.integers(0, 9) | st.just({"1": 2})
        ),
    )
    def test_the_text_of_a_prompt_is_read_back(
        self, messages: list[Message], model: str | None, parameters: dict[str, Json]
    ) -> None:
        draft = Draft(name="p", messages=messages, model=model, parameters=parameters)
        read = text_form.read(text_form.write(draft))
        assert read["messages"] == messages
        assert (read.get("model"), read["parameters"]) == (model, parameters)

    def test_a_text_alone_is_a_system_message(self) -> None:
        assert text_form.read("You are brief.\r\nAlways.\n") == {
            "messages": [{"role": "system", "content": "You are brief.\nAlways."}]
        }
        with pytest.raises(InvalidInput, match="expected 'name: value'"):
            text_form.read("hello there\n--- user\nx")
        with pytest.raises(InvalidInput, match="is not JSON"):
            text_form.read("tools: [1\n--- user\nx")


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
CHAT, RESPONSES = requests.CHAT, requests.RESPONSES


class TestCalls:
    @pytest.fixture(autouse=True)
    def kept(self, sqlite_store: Store) -> None:
        self.store = sqlite_store
        self.save({"messages": [{"role": "system", "content": "For {{company}}."}], "model": "m"})
        self.save(
            {
                "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q: {{input}}"}],
                "parameters": {"temperature": 0.5, "max_tokens": 9, "seed": 1, "reasoning_effort": "low"},
                "tools": [TOOL],
                "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
            }
        )

    def save(self, body: dict[str, Json], name: str = "p") -> Prompt:
        return prompts.save(self.store, prompts.read({"name": name, **body})).prompt

    def expand(self, path: str = CHAT, **asked: Json) -> dict[str, Json]:
        made = prompts.expand(self.store, asked, path)
        assert made is not None
        return made.asked

    def test_a_prompt_alone_is_a_call(self) -> None:
        asked = {"prompt": {"name": "p@1", "variables": {"company": "Acme"}}, "stream": True}
        expected = {"model": "m", "messages": [{"role": "system", "content": "For Acme."}], "stream": True}
        assert prompts.expand(self.store, asked, CHAT) == (expected, "p@1")
        assert asked["prompt"], "what came in is left as it was"

    @pytest.mark.parametrize("version", [1, "1"])
    def test_a_version_is_named_in_several_ways(self, version: Json) -> None:
        prompt_id = prompts.find(self.store, "p@1").id
        newer = prompts.find(self.store, "p").id
        values = {"variables": {"company": "A"}}
        for named in ({"name": "p@1"}, {"id": prompt_id}, {"id": newer, "version": version}, {"id": "p@1"}):
            assert self.expand(prompt={**named, **values})["model"] == "m"
        assert self.expand(prompt={"name": "p", "version": version, **values})["model"] == "m"
        assert prompts.find(self.store, "p@latest").version == 2 == prompts.find(self.store, newer).version

    def test_its_fields_are_defaults(self) -> None:
        made = self.expand(
            model="other", prompt={"id": "p"}, messages=chat("hi"), temperature=None, max_completion_tokens=3, tools=[]
        )
        assert made == {
            "model": "other",
            "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q: hi"}],
            "temperature": 0.5,
            "seed": 1,
            "reasoning_effort": "low",
            "max_completion_tokens": 3,
            "tools": [],
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        }

    def test_responses(self) -> None:
        made = self.expand(RESPONSES, model="m", prompt={"id": "p"}, input="hi", instructions="I")
        assert made == {
            "model": "m",
            "instructions": "I",
            "input": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q: hi"}],
            "temperature": 0.5,
            "max_output_tokens": 9,
            "reasoning": {"effort": "low"},
            "tools": [{"type": "function", "name": "f", "parameters": {}}],
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}},
        }
        picture = {"type": "input_image", "image_url": "data:"}
        items = [{"role": "user", "content": [{"type": "input_text", "text": "what?"}, picture]}]
        asked = self.expand(RESPONSES, model="m", prompt={"id": "p"}, input=items)["input"][1]
        assert asked["content"] == [{"type": "input_text", "text": "Q: what?"}, picture]

    def test_parts_and_turns_of_a_template_in_responses(self) -> None:
        parts = [{"type": "text", "text": "{{a}}"}, {"type": "image_url", "image_url": {"url": "u"}}]
        self.save({"messages": [{"role": "user", "content": parts}, *chat("", "yes")[1:]]}, "parts")
        made = self.expand(RESPONSES, model="m", prompt={"id": "parts", "variables": {"a": "A"}}, input="go on")
        picture = {"type": "input_image", "image_url": "u", "detail": "auto"}
        assert made["input"] == [
            {"role": "user", "content": [{"type": "input_text", "text": "A"}, picture]},
            {"role": "assistant", "content": "yes"},
            {"type": "message", "role": "user", "content": "go on"},
        ]
        self.save({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "calls")
        with pytest.raises(InvalidInput, match="ask /v1/chat/completions"):
            self.expand(RESPONSES, model="m", prompt={"id": "calls"})

    @pytest.mark.parametrize(
        ("path", "asked"),
        [
            (CHAT, {"messages": []}),
            (CHAT, {"prompt": None}),
            (CHAT, {"prompt": "a text"}),
            ("/v1/completions", {"prompt": {"id": "p"}}),
            (RESPONSES, {"prompt": {"id": "pmpt_of_openai", "variables": {"a": {"type": "input_image"}}}}),
        ],
    )
    def test_what_is_not_meant_for_us_goes_on(self, path: str, asked: Mapping[str, Json]) -> None:
        assert prompts.expand(self.store, asked, path) is None

    @pytest.mark.parametrize(
        ("asked", "param", "kind"),
        [
            ({"prompt": {}}, "prompt.name", InvalidInput),
            ({"prompt": {"id": 3}}, "prompt.id", InvalidInput),
            ({"prompt": {"id": "a b"}}, "prompt.id", InvalidInput),
            ({"prompt": {"id": "nobody"}}, "prompt.id", NotFound),
            ({"prompt": {"id": "pmpt_of_openai"}}, "prompt.id", NotFound),
            ({"prompt": {"id": "p", "version": 7}}, "prompt.version", NotFound),
            ({"prompt": {"id": "p", "version": -1}}, "prompt.version", InvalidInput),
            ({"prompt": {"id": "p", "version": 10**30}}, "prompt.version", InvalidInput),
            ({"prompt": {"id": "p", "version": True}}, "prompt.version", InvalidInput),
            ({"prompt": {"id": "p", "variables": []}}, "prompt.variables", InvalidInput),
            ({"prompt": {"id": "p"}}, "prompt.variables.input", InvalidInput),
            ({"prompt": {"id": "p", "variables": {"input": "x", "y": "z"}}}, "prompt.variables.y", InvalidInput),
            ({"prompt": {"id": "p", "variables": {"input": "x"}}}, "model", InvalidInput),
            ({"prompt": {"id": "p"}, "messages": {}}, "messages", InvalidInput),
            ({"prompt": {"id": "p"}, "messages": ["x"]}, "messages[0]", InvalidInput),
        ],
    )
    def test_what_is_wrong_is_named(self, asked: Mapping[str, Json], param: str, kind: type[InvalidInput]) -> None:
        with pytest.raises(kind) as error:
            prompts.expand(self.store, asked, CHAT)
        assert error.value.param == param


def a_log(messages: Sequence[Message], number: int = 0, **request: Json) -> Log:
    body = {"model": "gpt", "messages": list(messages), **request}
    return Log(
        id=f"log_{number}",
        created_at=float(number),
        source="gateway",
        endpoint=CHAT,
        model="gpt",
        status=200,
        request=json.dumps(body).encode(),
    )


class TestFromLogs:
    def test_of_one_call(self) -> None:
        talk = [{"role": "system", "content": "Use {{braces}}."}, *chat("old", "yes", "What now?")]
        draft = prompts.from_logs("p", [a_log(talk, temperature=0, tools=[TOOL], metadata={"a": "b"}, stream=True)])
        assert draft.messages == [
            {"role": "system", "content": r"Use \{{braces}}."},
            {"role": "user", "content": "{{input}}"},
        ]
        assert (draft.model, draft.parameters, draft.tools) == ("gpt", {"temperature": 0}, [TOOL])
        assert draft.note == "from log_0"
        kept = prompts.from_logs("p", [a_log(talk)], keep_input=True)
        assert kept.messages[-1] == {"role": "user", "content": "What now?"}

    def test_of_several_what_differs_becomes_variables(self) -> None:
        text = "You help the customers of {}.\nToday is {}.\n\nCustomer: {}\nPlan: {}\n\nAnswer in two sentences."
        told = [("Acme", "2026-01-02", "Ann Lee", "free"), ("Acme", "2026-01-04", "Bo", "premium plus")]
        told += [("Acme", "2026-03-02", "Ann Marie Toe", "free")]
        logs = [
            a_log(
                [{"role": "system", "content": text.format(*values)}, *chat(f"Classify: {values[2]} {n}")],
                n,
                temperature=0,
                seed=n,
            )
            for n, values in enumerate(told)
        ]
        draft = prompts.from_logs("p", logs)
        assert draft.messages == [
            {"role": "system", "content": text.format("Acme", "{{variable_1}}", "{{customer}}", "{{plan}}")},
            {"role": "user", "content": "Classify: {{input}}"},
        ]
        assert draft.parameters == {"temperature": 0} and draft.note == "from log_0 and 2 more"
        made = Prompt(**{field: getattr(draft, field) for field in Draft.__slots__}, id="i", version=1, created_at=0)
        values = dict(zip(("variable_1", "customer", "plan"), told[1][1:], strict=True))
        assert prompts.render(made, {**values, "input": "Bo 1"}) == json.loads(logs[1].request)["messages"]

    @given(st.lists(st.lists(st.sampled_from(["a", "Bo", ": ", " ", "\n", "{{", "1-2"]), max_size=8), min_size=1))
    def test_every_call_is_a_filling(self, several: list[list[str]]) -> None:
        said = ["".join(words) for words in several]
        try:
            found = alignment.template(said)
        except InvalidInput:
            return
        assert all(templates.matches(found, text) for text in said)
        framed = alignment.frame(said, "input")
        assert all(templates.matches(framed, text) for text in said)

    @pytest.mark.parametrize(
        ("talks", "why"),
        [
            ([], "no Log"),
            ([[]], "no messages"),
            ([[{"role": "assistant", "content": "x"}]], "neither instructions nor"),
            ([[{"role": "system", "content": "x"}], chat("x")], "the same system messages"),
            (
                [
                    [{"role": "system", "content": "You are a poet. Sing of love."}],
                    [{"role": "system", "content": "Route the message to one of these queues."}],
                ],
                "do not look as if one prompt",
            ),
        ],
    )
    def test_what_no_prompt_can_be_made_of(self, talks: Sequence[Sequence[Message]], why: str) -> None:
        with pytest.raises(InvalidInput, match=why):
            prompts.from_logs("p", [a_log(talk) for talk in talks])

    def test_which_version_made_a_call(self, sqlite_store: Store) -> None:
        def save(*contents: str) -> Prompt:
            body = {"name": "p", "messages": a_prompt(*contents).messages}
            return prompts.save(sqlite_store, prompts.read(body)).prompt

        loose, tight = save("You help {{who}}."), save("You help {{who}} and are brief.")
        asked = save("S", "Classify: {{input}}")
        save("{{everything}}")
        system = {"role": "developer", "content": "You help Acme and are brief."}
        assert prompts.of_log(sqlite_store, a_log([system, *chat("x")])) == tight
        assert prompts.of_log(sqlite_store, a_log([{"role": "system", "content": "You help Bo."}])) == loose
        talk = [{"role": "system", "content": "S"}, *chat("Classify: x")]
        assert prompts.of_log(sqlite_store, a_log(talk)) == asked
        assert prompts.of_log(sqlite_store, a_log([talk[0], *chat("x")])) is None
        assert prompts.of_log(sqlite_store, a_log([])) is None


class TestStarters:
    def test_the_five_use_cases_are_there(self) -> None:
        assert starters.names() == ["api-call", "brand-voice", "customer-service", "film-scene", "guard"]
        with pytest.raises(NotFound):
            starters.load("../prompts")

    @pytest.mark.parametrize("name", starters.names())
    def test_a_starter_says_what_its_variables_are(self, name: str) -> None:
        starter = starters.load(name)
        long = starters.draft(starter, "p", values={})
        short = starters.draft(starter, "p", short=True, values={})
        assert set(prompts.variables(long)) == set(starter.variables) > {"input"}
        assert set(prompts.variables(short)) <= set(starter.variables)
        assert len(str(short.messages)) < len(str(long.messages)) / 4
        assert starter.title and starter.advice and "temperature" in starter.parameters

    def test_values_are_written_into_it(self) -> None:
        starter = starters.load("guard")
        made = starters.draft(starter, "p", values={"purpose": "filling {{x}} in"})
        assert r"only purpose is: filling \{{x}} in" in made.messages[0]["content"]
        assert "purpose" not in prompts.variables(made)
        with pytest.raises(InvalidInput, match="no variable 'x': there are 'purpose'"):
            starters.draft(starter, "p", values={"x": "y"})
