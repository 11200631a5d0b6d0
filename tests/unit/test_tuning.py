"""From feedback to a job that learns from preferences: through the API with OpenAI's own client, and as a command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tuneloop import comparing, datasets, examples, methods, models
from tuneloop.api.app import build
from tuneloop.cli.commands import app as commands
from tuneloop.errors import InvalidInput
from tuneloop.importers import formats
from tuneloop.loop import Loop
from tuneloop.settings import Settings, load
from tuneloop.store.log_writer import LogWriter
from tuneloop.types import WHOLE_MODEL, Model

KEY = "tl-test"
BASE = "smollm2-135m-instruct"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TUNELOOP_HOME", str(tmp_path))
    monkeypatch.setenv("TUNELOOP_API_KEY", KEY)
    return load()


@pytest.fixture
def loop(home: Settings) -> Iterator[Loop]:
    made = Loop(settings=home)
    yield made
    made.store.close()


@pytest.fixture
def http(loop: Loop) -> Iterator[TestClient]:
    writer = LogWriter(loop.store.database)
    yield TestClient(build(loop, writer), headers={"Authorization": f"Bearer {KEY}"})
    writer.close()


@pytest.fixture
def client(http: TestClient) -> OpenAI:
    return OpenAI(api_key=KEY, base_url="http://testserver/v1", http_client=http, max_retries=0)


def corrected(loop: Loop, count: int = 20) -> None:
    """Logged calls whose answers people corrected."""
    rows = [
        {
            "id": str(i),
            "messages": [{"role": "user", "content": f"question {i}"}],
            "completion": f"wrong {i}",
            "feedback": {"rating": "bad", "correction": f"right {i}"},
        }
        for i in range(count)
    ]
    made = [formats.to_log(row, source="import", cost=lambda *_: None) for row in rows]
    loop.store.logs.add([one.log for one in made])
    loop.store.scores.add([score for one in made for score in one.scores])


@pytest.fixture
def files(client: OpenAI, http: TestClient, loop: Loop) -> dict[str, str]:
    """A training file for each method, made by the API from what people said."""
    corrected(loop)
    datasets.create(loop.store, "support", shares=(1, 0, 0))
    found: dict[str, str] = {}
    for method in methods.METHODS:
        content = http.get(f"/v1/datasets/support/content?method={method}").content
        found[method] = client.files.create(file=("train.jsonl", content), purpose="fine-tune").id
    return found


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_openais_client_makes_the_job_and_reads_it(client: OpenAI, files: dict[str, str], method: Any) -> None:
    given: Any = {"type": method, method: {"hyperparameters": {"beta": 0.2, "n_epochs": 3}}}
    job = client.fine_tuning.jobs.create(model=BASE, training_file=files[method], method=given)
    assert client.fine_tuning.jobs.retrieve(job.id) == job
    assert [job.id for job in client.fine_tuning.jobs.list()] == [job.id]
    whole = {"beta": 0.2, "n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": "auto"}
    assert job.model_dump()["method"][method]["hyperparameters"] == whole
    assert job.hyperparameters.model_dump() == whole
    if method == "dpo":
        assert job.method and job.method.dpo and job.method.dpo.hyperparameters
        assert (job.method.dpo.hyperparameters.beta, job.method.dpo.hyperparameters.batch_size) == (0.2, "auto")


def test_openais_client_reads_a_job_of_reinforcement(client: OpenAI, files: dict[str, str]) -> None:
    grader: Any = {
        "type": "multi",
        "name": "both",
        "graders": {
            "type": "string_check",
            "name": "right",
            "operation": "eq",
            "input": "{{sample.output_text}}",
            "reference": "{{item.reference}}",
        },
        "calculate_output": "0.5 * right",
    }
    given: Any = {"grader": grader, "hyperparameters": {"eval_samples": 2, "batch_size": 4}}
    job = client.fine_tuning.jobs.create(
        model=BASE, training_file=files["reinforcement"], method={"type": "reinforcement", "reinforcement": given}
    )
    assert client.fine_tuning.jobs.retrieve(job.id) == job
    whole = {
        "n_epochs": "auto",
        "batch_size": 4,
        "learning_rate_multiplier": "auto",
        "reasoning_effort": "default",
        "compute_multiplier": "auto",
        "eval_interval": "auto",
        "eval_samples": 2,
    }
    assert job.method and job.method.reinforcement and job.method.reinforcement.hyperparameters
    assert job.method.reinforcement.hyperparameters.model_dump() == whole == job.hyperparameters.model_dump()
    assert job.model_dump()["method"]["reinforcement"]["grader"] == grader
    with pytest.raises(openai.BadRequestError) as error:
        grader["calculate_output"] = "0.5 * wrong"
        client.fine_tuning.jobs.create(
            model=BASE, training_file=files["reinforcement"], method={"type": "reinforcement", "reinforcement": given}
        )
    assert error.value.param == "method.reinforcement.grader.calculate_output"


def test_ours_are_shown_only_where_they_are_given(client: OpenAI, files: dict[str, str]) -> None:
    file = files["supervised"]
    plain = client.fine_tuning.jobs.create(model=BASE, training_file=file)
    standard = {"n_epochs", "batch_size", "learning_rate_multiplier"}
    assert set(plain.hyperparameters.model_dump()) == standard
    ours: Any = {"lora_rank": 4, "schedule": "constant", "tuning": "lora"}
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": ours}}
    job = client.fine_tuning.jobs.create(model=BASE, training_file=file, method=method)
    shown = job.hyperparameters.model_dump()
    assert ours.items() <= shown.items() and set(shown) == standard | set(ours)


@pytest.mark.parametrize(
    ("method", "param", "words"),
    [
        ({"type": "reinforcement"}, "method.reinforcement.grader", "Missing required parameter"),
        ({"type": "ppo"}, "method.type", "unknown method 'ppo'"),
        ({"type": "dpo", "dpo": {"hyperparameters": {"beta": 0}}}, "hyperparameters.beta", "above 0, at most 2"),
        ({"type": "dpo", "dpo": {"hyperparameters": {"lora": 8}}}, "hyperparameters.lora", "unknown hyperparameter"),
    ],
)
def test_a_wrong_request_is_answered_in_openais_form(
    client: OpenAI, files: dict[str, str], method: Any, param: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.fine_tuning.jobs.create(model=BASE, training_file=files["dpo"], method=method)
    assert error.value.param == param and words in str(error.value)
    assert list(client.fine_tuning.jobs.list()) == []


@pytest.mark.usefixtures("files")
def test_a_dataset_in_an_unknown_format_is_refused(http: TestClient) -> None:
    answer = http.get("/v1/datasets/support/content?method=ppo")
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "method"


def command(*arguments: str) -> str:
    done = CliRunner().invoke(commands, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(("method", "rows"), [("dpo", 12), ("kto", 24)])
def test_the_command_lines_up_what_the_method_learns_from(loop: Loop, method: str, rows: int) -> None:
    corrected(loop, 12)
    command("datasets", "create", "support", "--where", "corrected", "--split", "100/0/0")
    options = ["--beta", "0.3", "--lora-rank", "4", "--lora-target", "q_proj", "--lora-target", "v_proj"]
    options += ["--warmup", "0", "--quantize", "--schedule", "linear", "--epochs", "2"]
    said = command("tune", "support", "--method", method, "--detach", *options)
    (job,) = loop.store.jobs.all()
    assert f"{job.id} is lined up" in said and job.method["type"] == method
    given = {"beta": 0.3, "lora_rank": 4, "lora_targets": ["q_proj", "v_proj"], "warmup": 0.0, "n_epochs": 2}
    given |= {"quantize": True, "schedule": "linear"}
    rest = {"batch_size": "auto", "learning_rate_multiplier": "auto"}
    assert job.hyperparameters == given | rest
    file = loop.store.files.get(job.training_file)
    assert len(b"".join(loop.store.blobs.read(file.sha256)).splitlines()) == rows


def test_the_command_lines_up_prompts_with_their_grader(loop: Loop, tmp_path: Path) -> None:
    corrected(loop, 12)
    command("datasets", "create", "support", "--where", "corrected", "--split", "100/0/0")
    grader = {
        "type": "string_check",
        "name": "right",
        "operation": "eq",
        "input": "{{sample.output_text}}",
        "reference": "{{item.reference}}",
    }
    file = tmp_path / "grader.json"
    file.write_text(json.dumps(grader))
    options = [
        "--compute-multiplier",
        "0.5",
        "--eval-interval",
        "3",
        "--reasoning-effort",
        "low",
        "--temperature",
        "0.9",
    ]
    command("tune", "support", "--method", "reinforcement", "--grader", str(file), "--detach", *options)
    (job,) = loop.store.jobs.all()
    assert job.method["type"] == "reinforcement" and job.method["reinforcement"]["grader"] == grader
    given = {"compute_multiplier": 0.5, "eval_interval": 3, "reasoning_effort": "low", "temperature": 0.9}
    rest = dict.fromkeys(("n_epochs", "batch_size", "learning_rate_multiplier", "eval_samples"), "auto")
    assert job.hyperparameters == given | rest
    lines = b"".join(loop.store.blobs.read(loop.store.files.get(job.training_file).sha256)).splitlines()
    assert {json.loads(line)["reference"] for line in lines} == {f"right {i}" for i in range(12)}
    with pytest.raises(InvalidInput, match="reinforcement.grader.type"):
        file.write_text("{}")
        command("tune", "support", "--method", "reinforcement", "--grader", str(file), "--detach")


def test_options_that_are_left_out_are_left_out(loop: Loop) -> None:
    corrected(loop, 12)
    command("datasets", "create", "support", "--split", "100/0/0")
    command("tune", "support", "--detach")
    (job,) = loop.store.jobs.all()
    assert job.hyperparameters == dict.fromkeys(("n_epochs", "batch_size", "learning_rate_multiplier"), "auto")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--epochs", "many"], "--epochs must be a number or auto, not 'many'"),
        (["--lora-rank", "0"], "'lora_rank' must be"),
        (["--method", "dpo", "--beta", "3"], "'beta' must be"),
        (["--beta", "0.1"], "'beta' belongs to 'dpo', 'kto', 'reinforcement'"),
        (["--temperature", "0.5"], "'temperature' belongs to 'reinforcement'"),
        (["--method", "reinforcement"], "needs a grader, in a JSON file: --grader FILE"),
        (["--method", "reinforcement", "--grader", "nowhere.json"], "cannot read the grader in 'nowhere.json'"),
        (["--method", "reinforcement", "--grader", __file__], "is not valid JSON"),
        (["--tuning", "full", "--quantize"], "'quantize' is about adapters"),
        (["--grader", "exact_match"], "give 'validation_file' too"),
    ],
)
def test_wrong_options_are_named(loop: Loop, options: list[str], words: str) -> None:
    corrected(loop, 12)
    command("datasets", "create", "support", "--split", "100/0/0")
    with pytest.raises(InvalidInput, match=words):
        command("tune", "support", "--detach", *options)
    assert loop.store.jobs.all() == []


def test_too_few_corrections_are_counted_before_a_job_is_made(loop: Loop) -> None:
    corrected(loop, 12)
    command("datasets", "create", "support", "--split", "50/25/25")
    with pytest.raises(InvalidInput, match=r"among its train rows \d with a correction .* dpo needs at least 10"):
        command("tune", "support", "--method", "dpo", "--detach")
    assert loop.store.jobs.all() == [] and loop.store.files.all() == []


def test_pairs_go_through_files_unchanged(loop: Loop, tmp_path: Path) -> None:
    corrected(loop, 12)
    command("datasets", "create", "support")
    file = tmp_path / "pairs.jsonl"
    command("datasets", "export", "support", "--method", "dpo", "-o", str(file))
    pairs = [json.loads(line) for line in file.read_text().splitlines()]
    assert [set(pair) for pair in pairs] == [{"input", "preferred_output", "non_preferred_output"}] * 12
    command("datasets", "import", "copy", str(file))
    again = tmp_path / "again.jsonl"
    command("datasets", "export", "copy", "--method", "dpo", "-o", str(again))
    assert again.read_bytes() == file.read_bytes()


def test_what_is_rated_bad_is_no_reference_to_compare_with(loop: Loop) -> None:
    rows = [{"prompt": str(i), "completion": "x", "label": i % 2 == 0} for i in range(20)]
    made = datasets.import_rows(loop.store, "thumbs", map(examples.modern, rows), origin="", split="test")
    held = comparing.held_out(loop, made, "test", None)
    assert {int(row.messages[0]["content"]) % 2 for row in held} == {0} and len(held) == 10


def test_an_adapter_may_stand_on_a_model_tuned_as_a_whole(loop: Loop, tmp_path: Path) -> None:
    folder = tmp_path / "jobs" / "1" / "adapter"
    folder.mkdir(parents=True)
    (folder / WHOLE_MODEL).write_bytes(b"GGUF")
    whole = Model(id="ft:b:o:w:1", created_at=1.0, kind="tuned", base="b", owned_by="o", adapter=str(folder))
    above = Model(id="ft:b:o:a:2", created_at=2.0, kind="tuned", base=whole.id, owned_by="o", adapter="elsewhere")
    loop.store.models.add(whole, above)
    assert loop.base_folder(whole.id) == folder
    with pytest.raises(InvalidInput, match="'ft:b:o:a:2' is an adapter on 'ft:b:o:w:1'"):
        models.delete(loop.store, whole.id, loop.routes.catalog())
    models.delete(loop.store, above.id, loop.routes.catalog())
    models.delete(loop.store, whole.id, loop.routes.catalog())
