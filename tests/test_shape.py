"""The shape that keeps the code readable: small modules, small functions, a sentence on everything public."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "tuneloop").rglob("*.py"))
MOST_LINES = 400
LONGEST_FUNCTION = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    """Lines of a function, its docstring and the functions inside it left out."""
    own = (function.end_lineno or 0) - function.lineno + 1
    inner = sum((f.end_lineno or 0) - f.lineno + 1 for f in functions(function) if f is not function)
    first = function.body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return own - inner - (((first.end_lineno or 0) - first.lineno + 1) if is_text else 0)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module(module: Path) -> None:
    source = module.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert len(source.splitlines()) <= MOST_LINES
    assert ast.get_docstring(tree), "a module says in a sentence what it is"
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"
    for function in functions(tree):
        assert length(function) <= LONGEST_FUNCTION, f"{function.name} is {length(function)} lines long"


def test_most_functions_are_short() -> None:
    lengths = [length(f) for module in MODULES for f in functions(ast.parse(module.read_text(encoding="utf-8")))]
    assert statistics.quantiles(lengths, n=10)[-1] <= 30
