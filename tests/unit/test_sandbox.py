"""The sandbox of python graders: what it lets through, what it does not, and what is said of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tuneloop.graders import GradingFailed, cell
from tuneloop.graders.sandbox import Sandbox
from tuneloop.types import Json

RUN = Sandbox(seconds=20)
SAMPLE: dict[str, Json] = {"output_text": "früh ☃", "output_json": {"a": [1]}}


def body(*lines: str) -> str:
    return "\n    ".join(["def grade(sample, item):", *lines])


def failure(source: str, run: Sandbox = RUN) -> tuple[str, str]:
    with pytest.raises(GradingFailed) as failed:
        run(source, SAMPLE, {})
    return failed.value.failure


@pytest.mark.parametrize(
    ("lines", "reward"),
    [
        (["return len(sample['output_text']) + sample['output_json']['a'][0] + item['n']"], 10.5),
        (["return True"], 1),
        (["return -3"], -3),
        (["print('hello'); import sys; sys.stderr.write('x'); return 1"], 1),
        (["import json, re, math, datetime, collections, difflib, decimal; return decimal.Decimal('0.25')"], 0.25),
        (["import threading", "t = threading.Thread(target=print); t.start(); t.join(); return 1"], 1),
        (["import numpy; return numpy.float32(0.5)"], 0.5),
        (["from rapidfuzz import fuzz; return fuzz.ratio('a', 'a')"], 100),
        (["import os; return len(set(os.environ) & {'PATH', 'HOME', 'SECRET', 'TUNELOOP_API_KEY'})"], 0),
        (["import sys; return 'tuneloop' in sys.modules"], 0),
    ],
)
def test_what_a_grader_may_do(lines: list[str], reward: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    assert RUN(body(*lines), SAMPLE, {"n": 3.5}) == reward


def test_names_of_the_source_are_there() -> None:
    assert RUN("import math\nK = 2\ndef half(x): return x / K\ngrade = lambda s, i: half(math.pi)", {}, {}) > 1.5


@pytest.mark.parametrize(
    "line",
    [
        "open('/etc/passwd')",
        "open(FILE)",
        "open(FILE, 'w')",
        "open(FILE, 'a')",
        "open('/proc/self/environ', 'rb')",
        "open('/proc/%d/environ' % __import__('os').getppid(), 'rb')",
        "__import__('os').listdir('/')",
        "__import__('os').listdir(FOLDER)",
        "__import__('os').mkdir(FOLDER + '/new')",
        "__import__('os').remove(FILE)",
        "__import__('os').truncate(FILE, 0)",
        "__import__('os').open(FILE, 1)",
        "__import__('os').open(__import__('os').__file__, 2)",
        "__import__('os').rename(FILE, FILE + '2')",
        "__import__('os').chmod(FILE, 0)",
        "__import__('os').utime(FILE)",
        "__import__('os').symlink(FILE, FOLDER + '/link')",
        "__import__('os').fork()",
        "__import__('os').execv('/bin/true', ['true'])",
        "__import__('os').kill(__import__('os').getppid(), 0)",
        "__import__('subprocess').run(['true'])",
        "__import__('multiprocessing').Process(target=print).start()",
        "__import__('socket').socket()",
        "__import__('socket').socketpair()",
        "__import__('socket').create_connection(('127.0.0.1', 9))",
        "__import__('urllib.request').request.urlopen('http://127.0.0.1:9')",
        "__import__('ctypes').CDLL(None, use_errno=True).ptrace(0, 0, 0, 0) and 1 / 0",
    ],
)
@pytest.mark.parametrize("walls", ["all", "audit hook"])
def test_what_a_grader_may_not_do(line: str, walls: str, tmp_path: Path) -> None:
    file = tmp_path / "private"
    file.write_text("secret")
    source = f"FILE, FOLDER = {str(file)!r}, {str(tmp_path)!r}\n" + body(line, "return 1")
    if walls == "all":
        error, details = failure(source)
        assert error == "python_grader_runtime_error"
    else:
        details = audited(source)["error"]
    refusals = ("PermissionError", "not permitted", "not allowed", "ZeroDivisionError")
    assert any(word in details for word in refusals), details
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("private", "secret")]


def audited(source: str) -> dict[str, Any]:
    """What comes of a source where the system has no walls of its own, as on macOS."""
    program = f"import runpy; names = runpy.run_path({cell.__file__!r}); names['_FORBIDDEN'].clear(); names['main']()"
    task = json.dumps({"source": source, "sample": {}, "item": {}, "megabytes": 1024, "seconds": 20})
    done = subprocess.run([sys.executable, "-I", "-c", program], input=task, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_audit_hook_lets_graders_work() -> None:
    lines = (
        "import json, re, datetime, difflib, statistics, decimal",
        "return difflib.SequenceMatcher(None, 'ab', 'ab').ratio()",
    )
    assert audited(body(*lines)) == {"reward": 1.0}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("return 1 / 0", "ZeroDivisionError: division by zero (line 2)"),
        ("return item['x']", "KeyError: 'x' (line 2)"),
        ("return 'x'", "grade returned 'x', which is no finite number"),
        ("pass", "grade returned None, which is no finite number"),
        ("return float('inf')", "grade returned inf, which is no finite number"),
        ("return [1]", "grade returned [1], which is no finite number"),
        ("import sys; sys.exit(3)", "SystemExit: 3 (line 2)"),
        ("return grade(sample, item)", "RecursionError: maximum recursion depth exceeded (line 2)"),
        ("x = bytearray(8 << 30)", "MemoryError:  (line 2)"),
        ("import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "ValueError"),
    ],
)
def test_a_grader_that_fails(line: str, said: str) -> None:
    error, details = failure(body(line))
    assert error == "python_grader_runtime_error" and details.startswith(said)


def test_a_source_that_fails_before_it_grades() -> None:
    assert failure("x = 1 / 0\ndef grade(s, i): return 1")[1] == "ZeroDivisionError: division by zero (line 1)"
    assert failure("def grade(s): return 1")[1].startswith("TypeError: grade() takes 1 positional argument")
    assert failure("async def f(): pass\ngrade = 3")[0] == "python_grader_runtime_error"


@pytest.mark.parametrize(
    "line", ["import os; os._exit(3)", "import ctypes; ctypes.string_at(0)", "import os; os.abort()"]
)
def test_a_process_that_dies(line: str) -> None:
    error, details = failure(body(line))
    assert error == "python_grader_server_error" and "no result" in details


@pytest.mark.parametrize("line", ["while True: pass", "import time; time.sleep(60)"])
def test_a_grader_that_does_not_end(line: str) -> None:
    started = time.monotonic()
    error, details = failure(body(line), Sandbox(seconds=0.5))
    assert error == "python_grader_server_error" and details.startswith("timeout") and time.monotonic() - started < 10


def test_an_answer_cannot_fill_the_disk() -> None:
    assert failure(body("import os", "while True: os.write(3, b'x' * 65536)"))[0].startswith("python_grader")


def test_several_at_once() -> None:
    def grade(number: int) -> float:
        items: Mapping[str, Json] = {"n": number}
        return RUN(body("return item['n']"), {}, items)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(grade, range(8))) == list(range(8))
