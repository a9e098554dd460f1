"""The ready-made rules about Python code: does it parse, does a static check pass. They never run the code.

Parsing hostile text can still exhaust a process (deep nesting, memory), so where models' completions are scored these
rules run through ``lab.sandbox``, which calls them in a worker that can be killed. Here they are plain functions.
"""

from __future__ import annotations

import ast
import warnings

LARGEST = 64 * 1024
"""Bytes of UTF-8; larger code scores 0."""

IN_SANDBOX = frozenset({"python_parses", "python_static_check"})
"""The names of the rules that belong into the sandbox's worker."""


def python_parses(prompt: str, completion: str, answer: str | None) -> float:
    """1 where the completion's code (its fenced blocks, else all of it) is Python that parses; 0 for empty or too large."""
    return float(_tree(code(completion)) is not None)


def python_static_check(prompt: str, completion: str, answer: str | None) -> float:
    """1 where the code parses and pyflakes finds nothing: no undefined name, no unused import, no unused variable."""
    from pyflakes.checker import Checker  # 30 ms to import, and needed only here

    tree = _tree(code(completion))
    if tree is None:
        return 0.0
    try:
        return float(not Checker(tree).messages)
    except RecursionError:
        return 0.0


def code(completion: str) -> str:
    """The code in a completion: the blocks between ``` fences one after another, or all of it where there are none."""
    if "```" not in completion:
        return completion
    blocks: list[str] = []
    # Odd pieces stand inside fences; the first line of one names the language. An unclosed fence runs to the end.
    for piece in completion.split("```")[1::2]:
        name, newline, body = piece.partition("\n")
        blocks.append(body if newline and " " not in name.strip() else piece)
    return "\n".join(blocks)


def _tree(source: str) -> ast.Module | None:
    """The syntax tree; None where the source is empty, too large or no Python."""
    if not source.strip() or len(source) > LARGEST:
        return None
    try:
        if len(source.encode()) > LARGEST:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # null bytes and lone surrogates are ValueErrors
        return None
