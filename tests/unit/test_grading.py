"""OpenAI's graders, read from their JSON: what they give, what they refuse, and how they fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tuneloop.errors import EngineError, InvalidInput
from tuneloop.graders import Graded, GradingFailed, complete, read, sample_of, sample_of_text, sample_to_compare
from tuneloop.graders.formulas import read_formula
from tuneloop.graders.templates import fill
from tuneloop.types import Json

ITEM = {
    "label": "Paris",
    "tags": ["a", {"b c": 1}],
    "deep": {"er": {"n": 1.5, "t": True, "z": None}},
    "quote": "{{item.label}}",
}
SAMPLE = sample_of_text("Paris")
CHECK: dict[str, Json] = {"type": "string_check", "name": "same", "operation": "eq"}
CHECK |= {"input": "{{sample.output_text}}", "reference": "{{item.label}}"}
SIMILAR: dict[str, Json] = {**CHECK, "type": "text_similarity", "name": "similar", "evaluation_metric": "cosine"}
ASKED = [{"role": "user", "content": "Is {{sample.output_text}} {{item.label}}?"}]
SCORE: dict[str, Json] = {"type": "score_model", "name": "judge", "model": "m", "input": ASKED}
LABEL: dict[str, Json] = {**SCORE, "type": "label_model", "labels": ["good", "bad"], "passing_labels": ["good"]}
PYTHON: dict[str, Json] = {"type": "python", "name": "py", "source": "def grade(sample, item): return 1"}
MULTI: dict[str, Json] = {"type": "multi", "name": "all", "graders": {"a": CHECK}, "calculate_output": "a"}


class Asked:
    """A gateway that says one thing and remembers what it was asked."""

    def __init__(self, content: str | None = None, **message: Json) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.message = {"role": "assistant", "content": content, **message}

    def __call__(self, path: str, body: Mapping[str, Json]) -> dict[str, Any]:
        assert path == "/chat/completions"
        self.bodies.append(dict(body))
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}
        return {"model": "m-1", "choices": [{"message": self.message, "finish_reason": "stop"}], "usage": usage}


def grade(grader: Json, item: Mapping[str, Json] = ITEM, sample: Mapping[str, Json] = SAMPLE, **parts: Any) -> Graded:
    return read(grader, **parts).grade(item, sample)


def failed_as(graded: Graded) -> list[str]:
    assert graded.failed == bool(graded.failures)
    assert not graded.failed or graded.reward == 0 or graded.type == "multi"
    return [flag for flag, is_set in graded.errors.items() if is_set is True]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{item.label}} and {{ sample.output_text }}", "Paris and Paris"),
        ("{{item.tags[0]}}{{item.tags.0}}{{item.tags[1]['b c']}}", "aa1"),
        ("{{item.deep.er.n}} {{item.deep.er.t}} {{item.deep.er.z}}", "1.5 true null"),
        ("{{item.deep}}", '{"er":{"n":1.5,"t":true,"z":null}}'),
        ("{{item.quote}}", "{{item.label}}"),
        ("{item.label} {{ item . label }}", "{item.label} Paris"),
        ("no variable", "no variable"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert fill(template, ITEM, SAMPLE) == text


def test_variables_of_a_sample() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    sample = sample_of({"role": "assistant", "content": '{"a": [1]}', "tool_calls": [call]}, "stop")
    paths = ("output_json.a[0]", "output_tools[0].function.name", "choices[0].message.tool_calls[0].id")
    filled = " ".join(f"{{{{sample.{path}}}}}" for path in paths)
    assert grade({**CHECK, "input": filled, "reference": "1 f c"}, sample=sample).reward == 1
    assert sample["output_text"] == '{"a": [1]}'
    compared = sample_to_compare({"role": "assistant", "content": "", "tool_calls": [call]})
    assert compared["output_json"] == {"name": "f", "arguments": {}} and compared["output_tools"] == [call]


@pytest.mark.parametrize(
    ("given", "text", "json"),
    [
        ({"output_text": "1"}, "1", 1),
        ({"choices": [{"message": {"content": "x"}}]}, "x", None),
        ({"choices": [{"message": {"content": [{"type": "text", "text": "x"}]}}]}, "x", None),
        ({"output_text": "y", "choices": [{"message": {"content": "x"}}]}, "y", None),
        ({"output_text": "1", "output_json": 2}, "1", 2),
        ({"other": 1}, None, None),
        ({"choices": []}, None, None),
        ({"choices": [5]}, None, None),
    ],
)
def test_samples_of_data_are_completed(given: dict[str, Json], text: str | None, json: Json) -> None:
    sample = complete(given)
    assert (sample.get("output_text"), sample.get("output_json")) == (text, json)
    assert given.items() <= sample.items()


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{{item.nothing}}", "invalid_variable_error"),
        ("{{item.tags[9]}}", "invalid_variable_error"),
        ("{{item.label.x}}", "invalid_variable_error"),
        ("{{item.tags.x}}", "invalid_variable_error"),
        ("{{sample.output_json.a}}", "sample_parse_error"),
    ],
)
def test_a_variable_that_is_not_there(template: str, error: str) -> None:
    assert failed_as(grade({**CHECK, "input": template})) == [error]


@pytest.mark.parametrize(
    ("operation", "answer", "reference", "reward"),
    [
        ("eq", "Paris", "Paris", 1),
        ("eq", "Paris ", "Paris", 0),
        ("ne", "Paris", "Rome", 1),
        ("ne", "Paris", "Paris", 0),
        ("like", "In Paris, France", "Paris", 1),
        ("like", "Paris", "In Paris", 0),
        ("like", "in paris", "Paris", 0),
        ("ilike", "in PARIS", "Paris", 1),
        ("ilike", "Rome", "Paris", 0),
    ],
)
def test_string_check(operation: str, answer: str, reference: str, reward: float) -> None:
    graded = grade({**CHECK, "operation": operation}, {"label": reference}, sample_of_text(answer))
    assert (graded.reward, graded.type, graded.name, graded.failed) == (reward, "string_check", "same", False)
    assert graded.seconds > 0


@pytest.mark.parametrize(("metric", "reward"), [("rouge_l", 2 / 3), ("fuzzy_match", 10 / 12), ("exact_match", 0)])
def test_text_similarity(metric: str, reward: float) -> None:
    grader = {**SIMILAR, "evaluation_metric": metric}
    assert grade(grader).reward == 1
    assert grade(grader, sample=sample_of_text("Paris b")).reward == pytest.approx(reward)


@pytest.mark.parametrize("metric", ["bleu", "gleu", "meteor", *(f"rouge_{n}" for n in range(1, 6)), "rouge_l"])
def test_every_metric_of_openai_is_there(metric: str) -> None:
    assert grade({**SIMILAR, "evaluation_metric": metric}).reward == 1


def embedded(*vectors: Sequence[float]) -> Any:
    def ask(path: str, body: Mapping[str, Json]) -> dict[str, Any]:
        assert path == "/embeddings" and body["input"] == ["Paris", "Paris"] and "model" not in body
        data = [{"index": index, "embedding": list(vector)} for index, vector in enumerate(vectors)]
        return {"model": "e", "data": data[::-1], "usage": {"prompt_tokens": 4}}

    return ask


def test_cosine() -> None:
    graded = grade(SIMILAR, ask=embedded((1, 0), (3, 4)))
    assert graded.reward == pytest.approx(0.6) and graded.usage["e"].prompt_tokens == 4
    assert grade(SIMILAR, ask=embedded((1, 0), (-1, 0))).reward == 0
    assert grade(SIMILAR, ask=embedded((0, 0), (0, 0))).reward == 1


def test_cosine_without_embeddings_says_so() -> None:
    def refuse(path: str, body: Mapping[str, Json]) -> dict[str, Any]:
        raise EngineError("no embeddings here")

    graded = grade(SIMILAR, ask=refuse)
    assert failed_as(graded) == failed_as(grade(SIMILAR)) == ["other_error"]
    assert "no embeddings here" in graded.failures[0].details


@pytest.mark.parametrize(
    ("content", "reward"),
    [
        ('{"result": 3}', 3),
        ('{"result": 9}', 5),
        ('{"result": -1.5}', 1),
        ('```json\n{"result": 2.5}\n```', 2.5),
        ("4", 4),
    ],
)
def test_score_model(content: str, reward: float) -> None:
    ask = Asked(content)
    sampling = {"temperature": 0, "max_completions_tokens": 9, "seed": 1, "top_p": None, "reasoning_effort": "low"}
    graded = grade({**SCORE, "range": [1, 5], "sampling_params": sampling}, ask=ask)
    assert (graded.reward, graded.model, graded.failed) == (reward, "m", False)
    assert graded.usage["m"].tokens == {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
        "cached_tokens": 2,
    }
    (body,) = ask.bodies
    assert body["messages"][0]["content"].startswith("Is Paris Paris?") and "from 1 to 5" in str(body["messages"])
    assert {name: body[name] for name in ("model", "temperature", "max_completion_tokens", "seed")} == {
        "model": "m",
        "temperature": 0,
        "max_completion_tokens": 9,
        "seed": 1,
    }
    assert body["reasoning_effort"] == "low" and "top_p" not in body
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] is True and schema["schema"]["properties"] == {"result": {"type": "number"}}
    assert graded.sample is not None
    assert graded.sample["output"] == [{"role": "assistant", "content": content}]


@pytest.mark.parametrize("content", ["no idea", '{"result": "3"}', '{"result": true}', '{"score": 3}', "[1]", "", None])
def test_a_judge_that_cannot_be_read(content: str | None) -> None:
    graded = grade(SCORE, ask=Asked(content))
    assert failed_as(graded) == ["model_grader_parse_error"] and graded.usage["m"].invocation_count == 1


def test_a_judge_that_refuses_and_one_that_is_away() -> None:
    assert failed_as(grade(SCORE, ask=Asked(None, refusal="I will not"))) == ["model_grader_refusal_error"]

    def refuse(path: str, body: Mapping[str, Json]) -> dict[str, Any]:
        raise EngineError("503: starting")

    graded = grade(LABEL, ask=refuse)
    assert failed_as(graded) == failed_as(grade(SCORE)) == ["model_grader_server_error"]
    assert graded.errors["model_grader_server_error_details"] == "m: 503: starting"


@pytest.mark.parametrize(
    ("content", "reward", "errors"),
    [
        ('{"result": "good"}', 1, []),
        ('{"result": "bad"}', 0, []),
        ("good", 1, []),
        ('{"result": "great"}', 0, ["model_grader_parse_error"]),
        ("{}", 0, ["model_grader_parse_error"]),
    ],
)
def test_label_model(content: str, reward: float, errors: list[str]) -> None:
    ask = Asked(content)
    graded = grade(LABEL, ask=ask)
    assert (graded.reward, failed_as(graded)) == (reward, errors)
    schema = ask.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["result"]["enum"] == ["good", "bad"] and schema["additionalProperties"] is False


def test_parts_of_a_judges_messages() -> None:
    audio = {"data": "...", "format": "wav"}
    content = [
        "What is {{item.label}}?",
        {"type": "input_text", "text": "{{sample.output_text}}!"},
        {"type": "input_image", "image_url": "https://x/{{item.label}}.png", "detail": "low"},
        {"type": "input_audio", "input_audio": audio},
    ]
    ask = Asked('{"result": 1}')
    messages = [{"role": "developer", "content": {"type": "output_text", "text": "Be fair."}, "type": "message"}]
    grade({**SCORE, "input": [*messages, {"role": "user", "content": content}]}, ask=ask)
    developer, user = ask.bodies[0]["messages"]
    assert developer == {"role": "developer", "content": "Be fair."}
    assert user["content"][:4] == [
        {"type": "text", "text": "What is Paris?"},
        {"type": "text", "text": "Paris!"},
        {"type": "image_url", "image_url": {"url": "https://x/Paris.png", "detail": "low"}},
        {"type": "input_audio", "input_audio": audio},
    ]
    assert "NUMBER" in user["content"][4]["text"]
    grade({**SCORE, "input": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}, ask=ask)
    assert [m["role"] for m in ask.bodies[1]["messages"]] == ["user", "assistant", "user"]


def test_python_is_handed_to_the_runner() -> None:
    def run(source: str, sample: Mapping[str, Json], item: Mapping[str, Json]) -> float:
        assert source == PYTHON["source"]
        return float(len(sample["output_text"]) + item["deep"]["er"]["n"])

    assert grade(PYTHON, run_python=run).reward == 6.5
    assert failed_as(grade(PYTHON)) == ["python_grader_server_error"]


def test_python_that_fails() -> None:
    def run(source: str, sample: Mapping[str, Json], item: Mapping[str, Json]) -> float:
        raise GradingFailed("python_grader_runtime_error", "KeyError: 'x' (line 2)")

    graded = grade(PYTHON, run_python=run)
    assert failed_as(graded) == ["python_grader_runtime_error"]
    assert graded.errors["python_grader_runtime_error_details"] == "KeyError: 'x' (line 2)"
    assert failed_as(grade(PYTHON, run_python=lambda *_: float("nan"))) == ["python_grader_runtime_error"]


def test_any_other_exception_is_a_recorded_failure() -> None:
    def broken(path: str, body: Mapping[str, Json]) -> dict[str, Any]:
        raise RuntimeError("surprise")

    graded = grade(SCORE, ask=broken)
    assert failed_as(graded) == ["other_error"] and graded.failures[0].details == "RuntimeError: surprise"


@pytest.mark.parametrize(
    ("graders", "formula", "reward"),
    [
        ({"a": CHECK, "b": {**CHECK, "operation": "ne"}}, "0.7 * a + 0.3 * b", 0.7),
        ([CHECK, {**CHECK, "name": "not the same", "operation": "ne"}], "same - not the same / 2", 1.0),
        (CHECK, "2 * same", 2.0),
    ],
)
def test_multi(graders: Json, formula: str, reward: float) -> None:
    graded = grade({**MULTI, "graders": graders, "calculate_output": formula})
    assert graded.reward == pytest.approx(reward) and not graded.failed
    assert set(graded.sub_rewards.values()) <= {0.0, 1.0}


def test_multi_adds_up_what_its_graders_took_and_how_they_failed() -> None:
    graders = {"a": SCORE, "b": {**LABEL}, "c": {**CHECK, "input": "{{item.nothing}}"}}
    graded = grade({**MULTI, "graders": graders, "calculate_output": "a + b + c"}, ask=Asked('{"result": 0.5}'))
    assert graded.reward == 0.5 and graded.sub_rewards == {"a": 0.5, "b": 0.0, "c": 0.0}
    assert graded.usage["m"].invocation_count == 2 and graded.usage["m"].total_tokens == 20
    assert failed_as(graded) == ["invalid_variable_error", "model_grader_parse_error"]


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("1 + 2 * 3 - 4 / 8", 6.5),
        ("2 ** 3 ^ 1", 8),
        ("7 % 4", 3),
        ("-a + +b", -1.5),
        ("(a > b) + (a >= 2) + (b < a) + (b <= 0) + (a == 2) + (a != 2)", 4),
        ("0 < b < a", 1),
        ("min(a, b, 1) + max(a, b) + abs(-a)", 4.5),
        ("floor(b) + ceil(b)", 1),
        ("exp(0) + sqrt(4) + log(1) + log(8, 2)", 6),
    ],
)
def test_formulas(formula: str, value: float) -> None:
    assert read_formula(formula, ["a", "b"], "f")({"a": 2.0, "b": 0.5}) == pytest.approx(value)


@pytest.mark.parametrize(
    "formula",
    [
        *(
            "",
            "a +",
            "c",
            "a b",
            "a.real",
            "a[0]",
            "a if a else a",
            "lambda: a",
            "'a'",
            "True",
            "1j",
            "a := 1",
            "a and a",
        ),
        *("~a", "a // 2", "a << 2", "not a", "[a]", "(a, a)", "f(a)", "min(a)", "min()", "sqrt(1, 2)", "log(1, 2, 3)"),
        *("min(a, key=a)", "min(*a)", "__import__('os')", "a in a", "None", "1" * 3000, "(" * 400 + "a" + ")" * 400),
    ],
)
def test_what_is_no_formula(formula: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read({**MULTI, "calculate_output": formula})
    assert refused.value.param == "grader.calculate_output"


@pytest.mark.parametrize("formula", ["1 / (a - 1)", "9 ** 9 ** 9 ** 9", "sqrt(-a)", "log(a - 1)", "exp(1000)", "a % 0"])
def test_a_formula_without_a_value_is_a_recorded_failure(formula: str) -> None:
    assert failed_as(grade({**MULTI, "calculate_output": formula})) == ["formula_parse_error"]


def test_every_flag_is_there() -> None:
    assert grade(CHECK).errors == {
        "formula_parse_error": False,
        "sample_parse_error": False,
        "truncated_observation_error": False,
        "unresponsive_reward_error": False,
        "invalid_variable_error": False,
        "other_error": False,
        "python_grader_server_error": False,
        "python_grader_server_error_type": None,
        "python_grader_runtime_error": False,
        "python_grader_runtime_error_details": None,
        "model_grader_server_error": False,
        "model_grader_server_error_details": None,
        "model_grader_refusal_error": False,
        "model_grader_parse_error": False,
    }


def without(grader: Mapping[str, Json], name: str) -> dict[str, Json]:
    return {key: value for key, value in grader.items() if key != name}


@pytest.mark.parametrize(
    ("grader", "param"),
    [
        (None, ""),
        ([], ""),
        ("x", ""),
        ({}, ".type"),
        ({**CHECK, "type": "regexp"}, ".type"),
        ({**CHECK, "type": 5}, ".type"),
        (without(CHECK, "name"), ".name"),
        ({**CHECK, "name": ""}, ".name"),
        (without(CHECK, "input"), ".input"),
        ({**CHECK, "input": 5}, ".input"),
        ({**CHECK, "input": "{{label}}"}, ".input"),
        ({**CHECK, "input": "{{item.a..b}}"}, ".input"),
        ({**CHECK, "input": "{{}}"}, ".input"),
        ({**CHECK, "reference": "{{items.a}}"}, ".reference"),
        ({**CHECK, "operation": "neq"}, ".operation"),
        (without(CHECK, "operation"), ".operation"),
        ({**SIMILAR, "evaluation_metric": "rouge_6"}, ".evaluation_metric"),
        ({**SIMILAR, "reference": None}, ".reference"),
        (without(PYTHON, "source"), ".source"),
        ({**PYTHON, "source": "def grade(:"}, ".source"),
        ({**PYTHON, "source": "def grad(sample, item): return 1"}, ".source"),
        ({**PYTHON, "source": "\0"}, ".source"),
        ({**PYTHON, "source": f"{PYTHON['source']}\n#{'x' * 2**18}"}, ".source"),
        (without(SCORE, "model"), ".model"),
        ({**SCORE, "input": []}, ".input"),
        ({**SCORE, "input": "x"}, ".input"),
        ({**SCORE, "input": [5]}, ".input[0]"),
        ({**SCORE, "input": [{"role": "judge", "content": "x"}]}, ".input[0].role"),
        ({**SCORE, "input": [{"role": "user"}]}, ".input[0].content"),
        ({**SCORE, "input": [{"role": "user", "content": 5}]}, ".input[0].content"),
        ({**SCORE, "input": [{"role": "user", "content": "{{x}}"}]}, ".input[0].content"),
        ({**SCORE, "input": [{"role": "user", "content": {"type": "video"}}]}, ".input[0].content"),
        ({**SCORE, "input": [{"role": "user", "content": {"type": "input_text"}}]}, ".input[0].content.text"),
        ({**SCORE, "range": [1]}, ".range"),
        ({**SCORE, "range": [1, 1]}, ".range"),
        ({**SCORE, "range": ["a", "b"]}, ".range"),
        ({**SCORE, "sampling_params": 5}, ".sampling_params"),
        ({**SCORE, "sampling_params": {"temperature": 3}}, ".sampling_params.temperature"),
        ({**SCORE, "sampling_params": {"top_p": "x"}}, ".sampling_params.top_p"),
        ({**SCORE, "sampling_params": {"max_completions_tokens": 0}}, ".sampling_params.max_completions_tokens"),
        ({**SCORE, "sampling_params": {"seed": 1.5}}, ".sampling_params.seed"),
        (without(LABEL, "labels"), ".labels"),
        ({**LABEL, "labels": []}, ".labels"),
        ({**LABEL, "labels": [1]}, ".labels"),
        ({**LABEL, "passing_labels": ["fine"]}, ".passing_labels"),
        (without(MULTI, "graders"), ".graders"),
        ({**MULTI, "graders": {}}, ".graders"),
        ({**MULTI, "graders": "x"}, ".graders"),
        ({**MULTI, "graders": [CHECK, CHECK]}, ".graders"),
        ({**MULTI, "graders": {"a": MULTI}}, ".graders"),
        ({**MULTI, "graders": {"a": {**CHECK, "operation": "x"}}}, ".graders.a.operation"),
        ({**MULTI, "graders": [{**CHECK, "operation": "x"}]}, ".graders[0].operation"),
        (without(MULTI, "calculate_output"), ".calculate_output"),
    ],
)
def test_what_is_wrong_is_named(grader: Json, param: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(grader, param="method.grader")
    assert refused.value.param == f"method.grader{param}"
    assert refused.value.message
