"""A rule set as a Python file of reward functions in trl's form, which runs without the lab.

Ready-made rules are written out from their own source, with what they need of this room and nothing more; written ones stand in it as
they are. Scores, bounds and fallbacks are the lab's. Two things differ: a written rule runs in the reader's own Python, with no
sandbox around it, and google-re2 becomes ``re``. It needs the standard library alone, but for the rules in NEEDS: their package is
imported at the top, so that a file without it fails at once and gives no score that is none.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import keyword
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType

from lab.core.recipes import RuleUse
from lab.errors import RuleError
from lab.rules import (
    RULES,
    amounts,
    choices,
    equality,
    expressions,
    form,
    mathematics,
    notation,
    numbers,
    numerals,
    polynomials,
    reading,
    results,
    stated,
    statements,
    syntax,
    typography,
    values,
)

MODULES: tuple[ModuleType, ...] = (
    form, typography, numbers, numerals, polynomials, expressions, notation, values, amounts, statements, reading,
    results, stated, choices, equality, mathematics, syntax,
)  # fmt: skip
"""Each after those that it imports from."""

FOREIGN = {
    "RuleFunction": "RuleFunction = Callable[[str, str, str | None], float]",
    "RuleError": "class RuleError(ValueError):\n"
    "    def __init__(self, key: str, **params: object) -> None:\n"
    "        super().__init__(key, params)",
    "re2": "class re2:  # the lab uses google-re2, whose classes are ASCII\n"
    "    escape = staticmethod(re.escape)\n\n"
    "    @staticmethod\n"
    "    def compile(pattern: str) -> re.Pattern[str]:\n"
    "        return re.compile(pattern, re.ASCII)",
}
"""What the rules' modules take from elsewhere than the standard library, and what stands for it in the file."""

NEEDS = {
    "python_static_check": ("pyflakes", "pyflakes"),
    "equals_answer": ("math_verify", "math-verify[antlr4-13-2]"),
    "mathematically_equal": ("math_verify", "math-verify[antlr4-13-2]"),
}
"""The module that a ready-made rule needs besides the standard library, and what pip calls it."""

HEAD = '''"""{title}: reward functions for trl, exported by the Alignment Lab. They run without it.

    from {module} import REWARD_FUNCS, REWARD_WEIGHTS
    GRPOTrainer(reward_funcs=REWARD_FUNCS, args=GRPOConfig(reward_weights=REWARD_WEIGHTS, …), …)

The data set's column ``answer`` holds the known answers. {needs}Rules and weights:
{rules}
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
{imports}
'''

FRAME = '''
def _text(message) -> str:
    """What was said, of a plain text or of a conversation."""
    return message if isinstance(message, str) else message[-1]["content"]


def _score(rule, low: float, high: float, fallback: float, *row) -> float:
    """A finite number within the bounds is a score; whatever else a rule does gives its fallback."""
    try:
        value = rule(*row)
        number = float(value) if isinstance(value, (bool, int, float)) else math.nan
    except Exception:
        return fallback
    return number if math.isfinite(number) and low <= number <= high else fallback


def _written(source: str):
    """A written rule: its source runs again for each completion, so that no completion depends on earlier ones."""
    code = compile(source, "<rule>", "exec")

    def rule(prompt, completion, answer):
        space: dict = {}
        exec(code, space)
        return space["reward"](prompt, completion, answer)

    return rule


def _reward_function(name: str, rule, low: float, high: float, fallback: float):
    """The rule as trl calls it: ``name(completions, answer=None, prompts=None, **columns) -> list[float]``."""

    def reward(completions, answer=None, prompts=None, **kwargs) -> list[float]:
        count = len(completions)
        answers = answer if isinstance(answer, (list, tuple)) else [answer] * count
        asked = [""] * count if prompts is None else [_text(prompt) for prompt in prompts]
        rows = zip(asked, map(_text, completions), answers, strict=True)
        return [_score(rule, low, high, fallback, *row) for row in rows]

    reward.__name__ = reward.__qualname__ = name
    return reward

'''


@dataclass
class _Definition:
    """One name at the top of a module: its text, and the names that it uses."""

    texts: list[str] = field(default_factory=list)
    uses: set[str] = field(default_factory=set)


def as_python(uses: Sequence[RuleUse], name: str = "rules") -> str:
    """The rules as the text of a Python file. Raises RuleError where one is neither ready-made nor written."""
    for use in uses:
        if use.source is None and use.name not in RULES:
            raise RuleError("rule_not_exportable", rule=use.name)
    ready = [use.name for use in uses if use.source is None]
    library, imported = _library([_root(name) for name in ready])
    needed = sorted({NEEDS[name] for name in ready if name in NEEDS})
    names = _names(uses, {*imported, *(module for module, _ in needed), *(name for name, _ in library)})
    imports = sorted(set(imported.values())) + [f"\nimport {module}  # noqa: F401" for module, _ in needed]
    packages = " ".join(package for _, package in needed)
    needs = f"They need: pip install {packages}\n" if needed else ""
    listed = "\n".join(f"  {use.weight:g} × {_one_line(use.name)}" for use in uses)
    title = _one_line(name)
    parts = [HEAD.format(title=title, module=_identifier(name), needs=needs, rules=listed, imports="\n".join(imports))]
    parts += [f"{text}\n\n" for _, text in library]
    parts.append(FRAME)
    parts += [_binding(use, variable) for use, variable in zip(uses, names, strict=True)]
    weights = ", ".join(repr(use.weight) for use in uses)
    parts.append(f"REWARD_FUNCS = [{', '.join(names)}]\nREWARD_WEIGHTS = [{weights}]\n")
    return "\n".join(parts)


def _binding(use: RuleUse, variable: str) -> str:
    if use.source is None:
        rule = RULES[use.name]
        return f"{variable} = _reward_function({use.name!r}, {_root(use.name)}, {rule.low!r}, {rule.high!r}, {use.fallback!r})\n"
    about = f"# {_one_line(use.description)}\n" if use.description else ""
    tail = f"{use.low!r}, {use.high!r}, {use.fallback!r}"
    return f"{about}{variable} = _reward_function({use.name!r}, _written({_literal(use.source)}), {tail})\n"


IMPORTED_TYPES = frozenset(
    f"from collections.abc import {name}" for name in ("Callable", "Iterator", "Mapping", "Sequence")
)
"""Imports that only annotations need."""


def library_of(name: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """What one ready-made rule needs of the rules' modules, its own function last, and its imports from the standard library."""
    return _library([_root(name)])


def _library(roots: Sequence[str]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """What the ready-made rules need: (name, text) in an order that runs, and by name the lines that import from the standard library."""
    definitions, imported = _definitions()
    wanted: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in wanted:
            continue
        wanted.add(name)
        if name in definitions:
            waiting += definitions[name].uses
    parts = [(name, text) for name, text in FOREIGN.items() if name in wanted]
    parts += [(name, "\n".join(definition.texts)) for name, definition in definitions.items() if name in wanted]
    return parts, {name: imported[name] for name in wanted if name in imported}


@cache
def _definitions() -> tuple[dict[str, _Definition], dict[str, str]]:
    """Every top-level name of the rules' modules, and the import line of every name that comes from the standard library."""
    definitions: dict[str, _Definition] = {}
    imported: dict[str, str] = {}
    for module in MODULES:
        source = inspect.getsource(module)
        for statement in ast.parse(source).body:
            if isinstance(statement, ast.ImportFrom) and statement.module and not statement.module.startswith("lab."):
                for alias in statement.names:
                    if statement.module != "__future__":
                        imported[alias.name] = f"from {statement.module} import {alias.name}"
            elif isinstance(statement, ast.Import):
                imported |= {
                    alias.name: f"import {alias.name}" for alias in statement.names if alias.name not in FOREIGN
                }
            else:
                for name in _defined(statement):
                    known = definitions.setdefault(name, _Definition())
                    known.texts.append(_text(statement, source))
                    known.uses |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} - {name}
    return definitions, imported


def _text(statement: ast.stmt, source: str) -> str:
    """The lines of a statement, its decorators among them."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(source.split("\n")[first - 1 : statement.end_lineno])


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        yield from (node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name))
    elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)) and isinstance(statement.target, ast.Name):
        yield statement.target.id


def _root(name: str) -> str:
    """The name that a ready-made rule's function has in its module."""
    for module in MODULES:
        for found, value in vars(module).items():
            if value is RULES[name].function and found == name:
                return found
    raise LookupError(f"the function of the rule {name} is not called like it")


def _names(uses: Sequence[RuleUse], taken: set[str]) -> list[str]:
    """A variable for each rule: its name where that can be one; a ready-made rule takes the place of its own function."""
    reserved = taken | {"math", "re", "Callable", "REWARD_FUNCS", "REWARD_WEIGHTS"}
    names: list[str] = []
    for use in uses:
        plain = name = _identifier(use.name)
        number = 1
        while name in names or (name in reserved and not (use.source is None and name == use.name)):
            number += 1
            name = f"{plain}_{number}"
        names.append(name)
    return names


def _identifier(name: str) -> str:
    """A name for a variable, in the form that Python itself brings names into, which hides no name of Python's own."""
    spelled = unicodedata.normalize("NFKC", name)
    plain = "".join(char if f"_{char}".isidentifier() else "_" for char in spelled).lstrip("_0123456789")
    if not plain.isidentifier():
        plain = f"rule_{plain}".rstrip("_")
    return f"{plain}_rule" if keyword.iskeyword(plain) or hasattr(builtins, plain) else plain


def _one_line(text: str) -> str:
    """Text that can stand in a comment or a docstring: what cannot be printed is left out."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.split()).replace("\\", "/").replace('"""', "'''")


def _literal(source: str) -> str:
    """A Python literal of the source, as readable as can be."""
    plain = source.replace("\n", "").replace("\t", "").isprintable()
    if plain and "'''" not in source and "\\" not in source and not source.endswith("'"):
        return f"'''\n{source}'''"
    if plain and "'''" not in source and source.endswith("\n"):
        return f"r'''\n{source}'''"
    return repr(source)
