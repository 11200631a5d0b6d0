"""Formulas over the rewards of graders, as in `0.7 * judge + 0.3 * min(length, style)`: numbers in, a number out."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import cast

from tuneloop.errors import InvalidInput
from tuneloop.graders.grading import GradingFailed

_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}
#: of how many numbers (fewest, most) where it is not of one
_OPERANDS = {"min": (2, 100), "max": (2, 100), "log": (1, 2)}
_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
#: a formula is a line, not a program
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that was read: of Python's grammar arithmetic, comparisons (1 or 0) and some functions."""

    tree: ast.expr
    #: what stands for a name in the tree, where the name is no word ("exact match")
    stand_ins: Mapping[str, str]

    def __call__(self, values: Mapping[str, float]) -> float:
        """Its value. Raises GradingFailed where it has none: a division by zero, a root of -1."""
        try:
            result = float(_value(self.tree, {**values, **{x: values[name] for x, name in self.stand_ins.items()}}))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise GradingFailed("formula_parse_error", f"the formula has no value: {error}") from error
        if not math.isfinite(result):
            raise GradingFailed("formula_parse_error", f"the formula's value is {result}")
        return result


def read_formula(text: str, names: Collection[str], param: str) -> Formula:
    """A formula in which only `names` stand for numbers; ^ means **. Raises InvalidInput."""
    stand_ins = {f"grader_{number}_": name for number, name in enumerate(names) if not name.isidentifier()}
    written = text.strip()
    for stand_in, name in sorted(stand_ins.items(), key=lambda pair: -len(pair[1])):
        written = written.replace(name, stand_in)
    try:
        if len(text) > _LONGEST:
            raise ValueError(f"it is longer than {_LONGEST} characters")
        tree = ast.parse(written.replace("^", "**"), mode="eval").body
        _check(tree, {*names, *stand_ins})
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise InvalidInput(f"'{param}' cannot be read as a formula: {reason}", param=param) from None
    return Formula(tree, stand_ins)


def _check(node: ast.expr, names: Collection[str]) -> None:
    """Raises ValueError with a word on what is not allowed."""
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise ValueError(f"there is no grader {node.id!r}; there are {', '.join(names)}")
    elif isinstance(node, ast.Call):
        _check_call(node)
    elif not _is_arithmetic(node):
        raise ValueError(f"{ast.unparse(node)[:40]!r} is neither a number, a name nor arithmetic")
    for operand in _operands(node):
        _check(operand, names)


def _check_call(node: ast.Call) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    fewest, most = _OPERANDS.get(name, (1, 1))
    if name not in _FUNCTIONS or node.keywords:
        raise ValueError(f"the functions are {', '.join(_FUNCTIONS)}")
    if not fewest <= len(node.args) <= most:
        raise ValueError(f"{name} is not of {len(node.args)} numbers")


def _is_arithmetic(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if isinstance(node, ast.BinOp):
        return type(node.op) in _BINARY
    if isinstance(node, ast.UnaryOp):
        return type(node.op) in _UNARY
    return isinstance(node, ast.Compare) and all(type(op) in _COMPARISONS for op in node.ops)


def _operands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Call):
        return node.args
    return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Constant):
        return float(cast(float, node.value))
    operands = [_value(operand, values) for operand in _operands(node)]
    if isinstance(node, ast.Call):
        return _FUNCTIONS[cast(ast.Name, node.func).id](*operands)
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](*operands)
    if isinstance(node, ast.UnaryOp):
        return _UNARY[type(node.op)](*operands)
    pairs = zip(cast(ast.Compare, node).ops, operands, operands[1:], strict=False)
    return float(all(_COMPARISONS[type(op)](left, right) for op, left, right in pairs))
