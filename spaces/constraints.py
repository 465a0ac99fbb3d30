"""Rules on parameters: the `constraints` of a space file, such as `beta1 < beta2`.

Another thing is `constraint`, the bounds of a metric, which is known only after training. A rule is known
before, so no configuration that breaks one is proposed. Python's parser reads the text; the tree is checked
against a small grammar and interpreted here. Nothing is evaluated as Python.
"""

import ast
import math
import operator
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spaces.messages import did_you_mean
from spaces.params import Choice, Param, Value

MAX_LENGTH, MAX_DEPTH, MAX_RULES = 500, 30, 100
DRAWS = 10_000  # random configurations, one of which must keep all rules
EXACT = 64  # bits of a number, and the largest exponent, whose power is an exact integer
CONSTANTS = {"true": True, "false": False, "null": None}  # as in YAML; Python's words are known, too
Number = int | float


def power(base: Number, exponent: Number) -> Number:
    """base ** exponent. Raises ArithmeticError if it is no real number, or too large."""
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and -(2**EXACT) < base < 2**EXACT and 0 <= exponent <= EXACT:
        return base**exponent
    result = float(base) ** float(exponent)  # an exact one may have millions of digits
    if isinstance(result, complex):
        raise ArithmeticError(f"{base} ** {exponent} is no real number")
    return result


OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: power,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda one, several: one in several,
    ast.NotIn: lambda one, several: one not in several,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "log": math.log,
    "sqrt": math.sqrt,
}
GRAMMAR = f"+ - * / // % **, comparisons, and, or, not, in [...], {', '.join(FUNCTIONS)}"


@dataclass(frozen=True)
class ParameterRule:
    """An expression over the parameters of a configuration that must be true."""

    text: str  # as in the space file
    names: frozenset[str] = field(compare=False)  # the parameters in it
    tree: Any = field(compare=False, repr=False)  # of `ast`, checked

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether a configuration keeps the rule: also if one of its parameters is inactive.

        A division by zero, the logarithm of a negative number, or a sum of text breaks it.
        """
        if not all(name in values for name in self.names):
            return True
        try:
            return bool(evaluate(self.tree, values))
        except (ArithmeticError, TypeError, ValueError):
            return False


def evaluate(node: ast.expr, values: Mapping[str, Value]) -> Any:
    """The value of a checked expression. Raises ArithmeticError, TypeError or ValueError if it has none."""
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return values[name] if name in values else CONSTANTS[name]
        case ast.UnaryOp(ast.Not(), operand):
            return not evaluate(operand, values)
        case ast.UnaryOp(sign, operand):
            value = number(evaluate(operand, values))
            return -value if isinstance(sign, ast.USub) else value
        case ast.BinOp(left, op, right):
            return OPERATORS[type(op)](number(evaluate(left, values)), number(evaluate(right, values)))
        case ast.BoolOp(ast.And(), parts):
            return all(evaluate(part, values) for part in parts)
        case ast.BoolOp(_, parts):
            return any(evaluate(part, values) for part in parts)
        case ast.Compare(left, ops, comparators):
            sides = [evaluate(side, values) for side in (left, *comparators)]
            pairs = zip(ops, sides, sides[1:], strict=False)
            return all(COMPARISONS[type(op)](one, other) for op, one, other in pairs)
        case ast.Call(ast.Name(name), arguments):
            return FUNCTIONS[name](*(number(evaluate(argument, values)) for argument in arguments))
        case ast.List(entries) | ast.Tuple(entries):
            return [evaluate(entry, values) for entry in entries]
    raise AssertionError(f"`check_tree` lets no {type(node).__name__} through")


def number(value: Any) -> Number:
    """The value, if it is a number. Raises TypeError if not: text times a number would be a long text."""
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value


def parse_rules(plain: Any, params: Mapping[str, Param], at: Callable[..., str]) -> tuple[ParameterRule, ...]:
    """The rules in the field `constraints`: an expression, or a list of them.

    Raises ValueError if one is no text or not in the grammar, names no parameter, or there are too many.
    """
    entries = list(enumerate(plain)) if isinstance(plain, list) else [(None, plain)]
    if len(entries) > MAX_RULES:
        raise ValueError(f"{at('constraints')} has {len(entries)} entries, but may have {MAX_RULES} at most")
    rules = []
    for index, text in entries:
        where = at("constraints") if index is None else at("constraints", index)
        if not isinstance(text, str):
            raise ValueError(
                f"{where} is {text!r:.100}, but must be a rule on parameters, such as 'beta1 < beta2'; "
                "bounds of a metric are in the field constraint"
            )
        try:
            rules.append(parse_rule(text, params))
        except ValueError as error:
            raise ValueError(f"{where} is {text!r:.100}: {error}") from error
    return tuple(rules)


def parse_rule(text: str, params: Mapping[str, Param]) -> ParameterRule:
    """The rule in an expression. Raises ValueError, without its place, as `parse_rules` does."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it has {len(text)} characters, but may have {MAX_LENGTH} at most")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of `1 is 2`
            tree = ast.parse(text.strip().replace("\n", " "), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it is nested too deep or has null bytes"
        raise ValueError(f"this is no expression ({reason})") from error
    check_tree(tree, params, 0)
    check_truth(tree, params)
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in params}
    return ParameterRule(text, frozenset(found), tree)


def check_tree(node: ast.AST, params: Mapping[str, Param], depth: int) -> None:
    """Raises ValueError for an expression that is not in the grammar, or nested more than MAX_DEPTH deep."""
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    parts: Sequence[ast.AST]
    match node:
        case ast.Constant(value) if value is None or isinstance(value, str | int | float):
            parts = ()
        case ast.Name(name):
            if name not in params and name not in CONSTANTS:
                raise ValueError(f"{name!r} is no parameter{did_you_mean(name, params)}")
            parts = ()
        case ast.UnaryOp(ast.Not() | ast.USub() | ast.UAdd(), operand):
            parts = (operand,)
        case ast.BinOp(left, op, right) if type(op) in OPERATORS:
            parts = (left, right)
        case ast.BoolOp(_, values):
            parts = values
        case ast.Compare(left, ops, sides) if all(type(op) in COMPARISONS for op in ops):
            pairs = list(zip(ops, sides, strict=True))
            contains = [side for op, side in pairs if isinstance(op, ast.In | ast.NotIn)]
            if not all(is_list(side) for side in contains):
                raise ValueError("after `in` there must be a list of numbers or text, such as [16, 32]")
            parts = [left, *(side for side in sides if side not in contains)]
        case ast.Call(ast.Name(name), arguments, keywords):
            if name not in FUNCTIONS:
                raise ValueError(f"{name!r} is no function{did_you_mean(name, FUNCTIONS)}")
            if keywords or (len(arguments) < 2 if name in ("min", "max") else len(arguments) != 1):
                takes = "two values or more" if name in ("min", "max") else "one value"
                raise ValueError(f"{name} takes {takes}")
            parts = arguments
        case _:
            raise ValueError(f"{ast.unparse(node)[:40]!r} is not allowed; there are {GRAMMAR}")
    for part in parts:
        check_tree(part, params, depth + 1)


def is_list(node: ast.expr) -> bool:
    """Whether an expression is a list of numbers, text and constants."""
    if not isinstance(node, ast.List | ast.Tuple):
        return False
    entries = [
        e.operand if isinstance(e, ast.UnaryOp) and isinstance(e.op, ast.USub) else e for e in node.elts
    ]
    return all(
        (isinstance(entry, ast.Name) and entry.id in CONSTANTS)
        or (
            isinstance(entry, ast.Constant)
            and (entry.value is None or isinstance(entry.value, str | int | float))
        )
        for entry in entries
    )


def check_truth(node: ast.expr, params: Mapping[str, Param]) -> None:
    """Raises ValueError for a checked expression that is neither true nor false."""
    match node:
        case ast.Compare():
            return
        case ast.BoolOp(_, parts):
            for part in parts:
                check_truth(part, params)
            return
        case ast.UnaryOp(ast.Not(), operand):
            return check_truth(operand, params)
        case ast.Name(name) if isinstance(param := params.get(name), Choice):
            if all(isinstance(option, bool) for option in param.options):
                return
    raise ValueError(f"{ast.unparse(node)[:40]!r} is neither true nor false; compare it with a value")


def check_some_keep(
    rules: Sequence[ParameterRule], draw: Callable[[random.Random], Mapping[str, Value]], where: str
) -> None:
    """Raises ValueError if none of DRAWS configurations of `draw` keeps all rules."""
    rng, kept = random.Random(0), dict.fromkeys((rule.text for rule in rules), False)
    for _ in range(DRAWS):
        values = draw(rng)
        holds = [rule.holds(values) for rule in rules]
        if all(holds):
            return
        for rule, own in zip(rules, holds, strict=True):
            kept[rule.text] |= own
    never = next((text for text, once in kept.items() if not once), None)
    found = (
        f"{never!r} is a constraint that no configuration meets" if never else "no configuration meets all"
    )
    raise ValueError(f"{where}: {found}, of {DRAWS:,} random ones")
