"""What can be told of a rule's source by parsing it: what is wrong with it, and how its completions may share a session. Runs nothing.

Parsing hostile text can exhaust a process, so only ``inside_written.py`` calls this, in the worker that can be killed.

How completions share (``sharing``): by default each runs the source in a fresh namespace of one session. A source that names something
by which a session's past can be told gets a fresh session each. A source that can hold no state at all, by a list of what it may
consist of, is loaded once for the batch: that makes a typical rule three times as cheap, and cannot be told from loading it each time.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import Any

LONGEST_EXCERPT = 160

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Sharing(Enum):
    """What the completions of a batch have in common."""

    SOURCE = "source"
    SESSION = "session"
    NOTHING = "nothing"


TELLING = frozenset({"random", "decimal", "id", "hash", "repr", "exec", "eval", "iter", "asyncio"})
"""Names by which code can tell what a session did before. The text of an object without a text of its own holds where it lies, which
grows within a session: an iterator has none, and an instance of a class that makes none (see ``_textless``)."""

STATELESS_MODULES = frozenset({"re", "math", "json", "unicodedata"})
"""Modules whose objects hold nothing that can be changed."""

FORBIDDEN_NAMES = frozenset({"getattr", "setattr", "delattr", "globals", "vars", "locals"})


def problems(source: str) -> list[dict[str, Any]]:
    """Where the text is no Python, or has not exactly one ``reward`` of three parameters: keys of errors, with their line."""
    try:
        tree = _parse(source)
    except SyntaxError as error:
        return [{"key": "rule_source_syntax", "line": error.lineno or 1, "why": error.msg[:LONGEST_EXCERPT]}]
    except (ValueError, RecursionError, MemoryError):
        return [{"key": "rule_source_deep", "line": 1}]
    named = [
        statement
        for statement in tree.body
        if isinstance(statement, (Function, ast.ClassDef)) and statement.name == "reward"
    ]
    plain = [statement for statement in named if isinstance(statement, ast.FunctionDef)]
    if not plain:
        return [{"key": "rule_reward_missing", "line": named[0].lineno if named else 1}]
    wrong: list[dict[str, Any]] = [{"key": "rule_reward_twice", "line": statement.lineno} for statement in named[1:]]
    taken = plain[0].args
    if len(taken.posonlyargs) + len(taken.args) != 3 or taken.vararg or taken.kwarg or taken.kwonlyargs:
        listed = ast.unparse(taken)[:LONGEST_EXCERPT]
        wrong.append({"key": "rule_reward_parameters", "line": plain[0].lineno, "found": listed})
    return wrong


@lru_cache(maxsize=64)
def sharing(source: str) -> Sharing:
    """What the completions of a batch may have in common without one being able to tell."""
    try:
        tree = _parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Sharing.NOTHING
    nodes = list(ast.walk(tree))
    if any(_tells(node) for node in nodes) or _makes_classes(nodes) or _counts_depth(nodes):
        return Sharing.NOTHING
    if all(map(_declares, tree.body)) and not any(map(_may_change, nodes)):
        return Sharing.SOURCE
    return Sharing.SESSION


def _tells(node: ast.AST) -> bool:
    """Whether it names something of TELLING, or makes a class whose instances tell where they lie."""
    if isinstance(node, ast.ClassDef):
        return _textless(node)
    if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
        return True  # the text of a coroutine holds where it lies
    if isinstance(node, ast.Name):
        return node.id in TELLING
    if isinstance(node, ast.Import):
        return any(alias.name in TELLING for alias in node.names)
    return isinstance(node, ast.ImportFrom) and node.module in TELLING


def _textless(made: ast.ClassDef) -> bool:
    """Whether the class has no ``__repr__``, neither written nor made by ``@dataclass``; one by inheritance does not count."""
    written = any(isinstance(node, ast.FunctionDef) and node.name == "__repr__" for node in made.body)
    return not written and not any(
        isinstance(node, ast.Name) and node.id == "dataclass" for node in made.decorator_list
    )


CATCH_DEPTH = frozenset({"RecursionError", "RuntimeError", "Exception", "BaseException"})


def _counts_depth(nodes: Sequence[ast.AST]) -> bool:
    """Whether it may call itself until that is refused, and go on: how deep that is depends on what ran before."""
    handlers = [node for node in nodes if isinstance(node, ast.ExceptHandler)]
    if not any(handler.type is None or _names(handler.type) & CATCH_DEPTH for handler in handlers):
        return False
    functions = [node for node in nodes if isinstance(node, Function | ast.Lambda)]
    if any(_calls_what_it_is_given(function) for function in functions):
        return True
    uses = {function.name: _names(function) for function in functions if isinstance(function, Function)}
    for name in uses:
        reached, waiting = set[str](), [name]
        while waiting:
            for used in uses[waiting.pop()] & uses.keys() - reached:
                if used == name:
                    return True
                reached.add(used)
                waiting.append(used)
    return False


def _names(node: ast.AST) -> set[str]:
    """Every name and attribute that is read in a part of the source."""
    inside = list(ast.walk(node))
    return {part.id for part in inside if isinstance(part, ast.Name)} | {
        part.attr for part in inside if isinstance(part, ast.Attribute)
    }


def _calls_what_it_is_given(function: Function | ast.Lambda) -> bool:
    given = {argument.arg for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(isinstance(called, ast.Name) and called.id in given for called in calls)


def _makes_classes(nodes: Sequence[ast.AST]) -> bool:
    """Whether ``type`` is used for anything but asking one object its type: called otherwise it makes a class without a text."""
    names = sum(isinstance(node, ast.Name) and node.id == "type" for node in nodes)
    asks = sum(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "type"
        and len(node.args) == 1
        and not isinstance(node.args[0], ast.Starred)
        and not node.keywords
        for node in nodes
    )
    return names > asks


def _declares(statement: ast.stmt) -> bool:
    """Whether a statement of the module only makes what cannot change: imports, constants, plain functions."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return True  # which modules, _may_change sees
    if isinstance(statement, ast.FunctionDef):
        taken = statement.args
        defaults = [*taken.defaults, *(default for default in taken.kw_defaults if default is not None)]
        return not statement.decorator_list and all(map(_constant, defaults))
    if isinstance(statement, ast.Assign):
        return all(isinstance(target, ast.Name) for target in statement.targets) and _constant(statement.value)
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _constant(value: ast.expr) -> bool:
    """A number, a text, a tuple of such, or a compiled pattern."""
    if isinstance(value, ast.Tuple):
        return all(map(_constant, value.elts))
    if isinstance(value, ast.UnaryOp):
        return isinstance(value.operand, ast.Constant)
    if isinstance(value, ast.Call):
        compiles = isinstance(value.func, ast.Attribute) and ast.unparse(value.func) == "re.compile"
        return compiles and not value.keywords and all(map(_constant, value.args))
    return isinstance(value, ast.Constant) or (
        isinstance(value, ast.Attribute) and ast.unparse(value).startswith("re.")
    )


def _may_change(node: ast.AST) -> bool:
    """Whether it could leave something behind for the next call, or is not known to be unable to."""
    if isinstance(node, (ast.Global, ast.ClassDef, ast.AsyncFunctionDef, ast.Await, ast.Lambda)):
        return True
    if isinstance(node, ast.Attribute):
        return not isinstance(node.ctx, ast.Load) or node.attr.startswith("__") or node.attr == "groupindex"
    if isinstance(node, ast.Name):
        rebinds = node.id in STATELESS_MODULES and not isinstance(node.ctx, ast.Load)
        return rebinds or node.id in FORBIDDEN_NAMES
    if isinstance(node, ast.Import):
        return any(alias.name not in STATELESS_MODULES or alias.asname for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module not in STATELESS_MODULES or node.level != 0
    if isinstance(node, (ast.FunctionDef, ast.arg)):
        name = node.name if isinstance(node, ast.FunctionDef) else node.arg
        annotation = node.returns if isinstance(node, ast.FunctionDef) else node.annotation
        return name in STATELESS_MODULES or not (annotation is None or isinstance(annotation, (ast.Name, ast.Constant)))
    return False


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)
