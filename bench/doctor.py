"""How well and how fast the data set doctor examines: `python -m bench.doctor [--data LOG_FOLDER]`.

The folder has a log (logs.jsonl) and what was planted in each row (truth.jsonl: {"id", "anomalies": [...]}). Beside the
doctor stands what a user could do otherwise: the checks of OpenAI's cookbook, and cleanlab, where it is installed, on
TF-IDF and a logistic regression. Speed is measured on made-up rows of about 300 tokens, each examination in a process
of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tuneloop.checks.texts import bare

#: names in truth.jsonl of what the doctor calls otherwise
_SAME = {"pii_in_completion": "pii_in_answer"}
#: names that say where another one, wrong_language, was planted
_WHERE = frozenset({"foreign_input", "foreign_output"})
#: what the doctor is to reach, precision and recall
WANTED = {
    "exact_duplicate": (1.0, 1.0),
    "near_duplicate": (0.9, 0.9),
    "contradictory": (0.9, 0.9),
    "empty": (0.98, 0.95),
    "truncated": (0.98, 0.95),
    "unknown_label": (0.98, 0.95),
    "format_violation": (0.98, 0.95),
    "wrong_language": (0.9, 0.9),
    "pii_card": (1.0, 1.0),
    "pii_iban": (1.0, 1.0),
    "pii_email": (0.98, 0.98),
    "pii_phone": (0.98, 0.98),
    "prompt_injection": (0.9, 0.8),
    "wrong_label": (0.85, 0.75),
}
#: about 300 tokens of English
_WORDS = (
    "account address agent amount answer app balance bank bill branch call card cash change charge check city "
    "claim code contract customer date day delay delivery device discount email error fee form help hour invoice "
    "issue item letter limit line link login mail message minute mobile money month name notice number offer "
    "office online option order package page parcel password payment person phone plan price problem product "
    "question receipt refund report request return route sale screen service ship shop site staff statement store "
    "street support system team ticket time topic transfer update user value visit voucher week year about after "
    "again because before could every first from have please still their there these think through until where "
    "which while without would yesterday tomorrow the and but"
).split()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with logs.jsonl and truth.jsonl")
    parser.add_argument(
        "--held-out", type=Path, help="clean training rows: tune on the log, raw and doctored, and ask these"
    )
    parser.add_argument("--rows", type=int, nargs="*", default=[5_000, 100_000], help="made-up rows to time")
    parser.add_argument("--examine", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.examine is not None:
        _examine(given.examine)
        return
    if given.data is not None:
        quality(given.data)
    if given.data is not None and given.held_out is not None:
        learning(given.data / "logs.jsonl", given.held_out)
    for rows in given.rows:
        speed(rows)


def quality(folder: Path) -> None:
    """Print precision and recall of each kind of anomaly, ours and the peers'."""
    planted = _planted(folder / "truth.jsonl")
    started = time.perf_counter()
    lines = subprocess.run(
        [sys.executable, "-m", "tuneloop", "check", str(folder / "logs.jsonl"), "--json"],
        capture_output=True,
        check=True,
    ).stdout.splitlines()
    took = time.perf_counter() - started
    records = [record for record in map(json.loads, lines) if record["type"] == "row"]
    ours: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for one in record["findings"]:
            ours[one["code"]].add(record["id"])
    peers = {"cookbook": cookbook(folder / "logs.jsonl"), "cleanlab": cleanlab(folder / "logs.jsonl")}
    table = Table("anomaly", "rows", "found", "precision", "recall", "wanted", *peers)
    for code in planted:
        name = _SAME.get(code, code)
        wanted = WANTED.get(code)
        cells = [str(len(planted[code])), str(len(ours[name])), *_shares(ours[name], planted[code])]
        cells.append("" if wanted is None else f"{wanted[0]:.2f} / {wanted[1]:.2f}")
        for found in peers.values():
            cells.append(
                " / ".join(_shares(found[code], planted[code])) if found is not None and code in found else "-"
            )
        table.add_row(code, *cells)
    console = Console(width=150)
    console.print(table)
    console.print(f"{len(records):,} rows examined in {took:.1f} s, start of the program included")


def _planted(path: Path) -> dict[str, set[str]]:
    planted: dict[str, set[str]] = defaultdict(set)
    for line in path.read_text(encoding="utf-8").splitlines():
        truth = json.loads(line)
        for code in set(truth["anomalies"]) - _WHERE:
            planted[code].add(truth["id"])
    return dict(sorted(planted.items()))


def _shares(found: set[str], planted: set[str]) -> tuple[str, str]:
    right = len(found & planted)
    return f"{right / len(found) if found else 0:.3f}", f"{right / len(planted) if planted else 0:.3f}"


def cookbook(path: Path) -> dict[str, set[str]]:
    """What the format checks of OpenAI's cookbook ("Data preparation and analysis for chat model fine-tuning") find:
    messages without content, unknown roles and keys, no assistant's message."""
    empty: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        messages = [*row["messages"], {"role": "assistant", "content": row["completion"]["content"]}]
        if any(not message.get("content") or not isinstance(message["content"], str) for message in messages):
            empty.add(row["id"])
    return {"empty": empty}


def cleanlab(path: Path) -> dict[str, set[str]] | None:
    """What cleanlab finds from cross-validated probabilities of TF-IDF and a logistic regression; None without it."""
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        return None
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline

    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row["completion"]["content"] or ""] += 1
    usable = [row for row in rows if counts[row["completion"]["content"] or ""] >= 5]
    labels = sorted({row["completion"]["content"] or "" for row in usable})
    given = np.array([labels.index(row["completion"]["content"] or "") for row in usable])
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=50))
    texts = [row["messages"][-1]["content"] for row in usable]
    likely = cross_val_predict(model, texts, given, cv=5, method="predict_proba")
    issues = find_label_issues(given, likely)
    return {"wrong_label": {row["id"] for row, issue in zip(usable, issues, strict=True) if issue}}


def learning(log: Path, clean: Path) -> None:
    """Tune on a log as it is and on what the doctor makes of it, with the same settings, and ask both models what
    neither has seen: questions of `clean` that the log does not hold."""
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    known = {bare(row["messages"][-1]["content"]) for row in rows}
    prompt = Counter(row["messages"][0]["content"] for row in rows).most_common(1)[0][0]
    asked = [json.loads(line)["messages"] for line in clean.read_text(encoding="utf-8").splitlines()]
    asked = [[{"role": "system", "content": prompt}, *messages[-2:]] for messages in asked]
    asked = [messages for messages in asked if bare(messages[-2]["content"]) not in known]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = [[*row["messages"], {"role": "assistant", "content": row["completion"]["content"] or ""}] for row in rows]
        for file, chats in (("raw", raw), ("clean", asked)):
            lines = (json.dumps({"messages": messages}) for messages in chats)
            (folder / f"{file}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        _tuneloop("datasets", "import", "raw", str(folder / "raw.jsonl"), "--split", "90/10/0")
        _tuneloop("check", str(log), "--into", "doctored", "--split", "90/10/0")
        _tuneloop("datasets", "import", "clean", str(folder / "clean.jsonl"), "--into", "test")
        models = [_tune(dataset) for dataset in ("raw", "doctored")]
        _tuneloop("evaluate", "clean", *models, "--shots", "0", "--json", str(folder / "report.json"))
        report = json.loads((folder / "report.json").read_bytes())
    right = {arm["model"]: arm["metrics"]["exact_match"] for arm in report["arms"]}
    said = ", ".join(f"{name} {right[model]:.1%}" for name, model in zip(("raw", "doctored"), models, strict=True))
    Console().print(f"right answers to {len(asked)} held-out questions, tuned on the log: {said}")


def _tune(dataset: str) -> str:
    """The id of a model tuned on a dataset."""
    told = _tuneloop("tune", dataset, "--epochs", "2", "--seed", "1")
    return next(word.strip("`'.,") for word in reversed(told.split()) if word.startswith("ft:"))


def _tuneloop(*arguments: str) -> str:
    run = [sys.executable, "-m", "tuneloop", *arguments]
    return subprocess.run(run, stdout=subprocess.PIPE, check=True, text=True).stdout


def speed(rows: int) -> None:
    """Print how long an examination of made-up rows takes, and its memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for row in made_up(rows):
                file.write(json.dumps(row) + "\n")
        size = path.stat().st_size
        told = subprocess.run(
            [sys.executable, "-m", "bench.doctor", "--examine", str(path)], capture_output=True, check=True, text=True
        ).stdout
    result = json.loads(told)
    Console().print(
        f"{rows:,} rows ({size / 1e6:.0f} MB): {result['seconds']:.1f} s, {result['gigabytes']:.2f} GB at most, "
        f"{result['tokens'] or 0:,} tokens"
    )


def made_up(rows: int) -> Iterator[dict[str, Any]]:
    """Rows of about 300 tokens: a long prompt, a question of about 150 words, one of 40 labels; some of them repeated,
    nearly repeated, answered wrongly, or with an address in them."""
    chance = random.Random(0)
    prompt = " ".join(chance.choices(_WORDS, k=110))
    before: list[tuple[str, str]] = []
    labels = [f"{a}_{b}" for a, b in zip(_WORDS[:40], _WORDS[40:80], strict=True)]
    for _ in range(rows):
        label = chance.randrange(len(labels))
        topic = [_WORDS[(label * 7 + k) % len(_WORDS)] for k in range(6)]
        words = chance.choices(_WORDS, k=120) + chance.choices(topic, k=30)
        chance.shuffle(words)
        question, answer = " ".join(words), labels[label]
        kind = chance.random()
        if kind < 0.03 and before:
            question, answer = chance.choice(before)
        elif kind < 0.06 and before:
            question, answer = chance.choice(before)
            question = f"Hello! {question.upper()}, thanks"
        elif kind < 0.11:
            answer = chance.choice(labels)
        elif kind < 0.13:
            name, line = f"{chance.choice(_WORDS)}{chance.randrange(99)}", chance.randrange(1000)
            question += f" reach me at {name}@example.org or +44 20 7946 0{line:03}"
        if len(before) < 1000:
            before.append((question, answer))
        roles = ("system", "user", "assistant")
        yield {"messages": [{"role": r, "content": t} for r, t in zip(roles, (prompt, question, answer), strict=True)]}


def _examine(path: Path) -> None:
    from tuneloop import doctor, settings
    from tuneloop.loop import Loop

    started = time.perf_counter()
    loop = Loop(settings=settings.load())
    report = doctor.examine(doctor.of_file(path), chat=doctor.chat(loop, None))
    with tempfile.TemporaryFile() as file:
        file.writelines(report.account())
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": seconds, "gigabytes": peak, "tokens": report.examination.tokens}))


if __name__ == "__main__":
    main()
