"""Joins pieces to a script of one file: their text as it stands, with everything from the lab that they name, and one block of imports.

A piece (``pieces/``) goes in whole. Of any other module of the lab only the named definitions go in, with what these use, so that the
losses and the mathematics of groups are the run's own to the letter. No name of the lab is imported in the end.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PIECES = "lab.training.eject.pieces."
SETTINGS = "RUN"
WIDTH = 110
RULE = "# " + "-" * 76


class Script:
    """A script in the making."""

    def __init__(self) -> None:
        self.plain: set[str] = set()
        """Modules of ``import x``."""
        self.names: dict[str, set[str]] = {}
        """What is imported from each module."""
        self.definitions: list[str] = []
        self.pieces: list[tuple[str, str]] = []
        """(title, text)."""
        self._seen: set[tuple[str, str]] = set()

    def add_piece(self, name: str) -> None:
        """A whole piece, after those that it names."""
        if (name, "") in self._seen:
            return
        self._seen.add((name, ""))
        source, tree = _read(name)
        for statement in tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self._import(statement)
        kept = [statement for statement in tree.body if not _is_head(statement, tree)]
        title = (ast.get_docstring(tree) or "").strip().split("\n")[0]
        self.pieces.append((title, _text(source, kept)))

    def add_definition(self, module_name: str, name: str) -> None:
        """One name of a module of the lab, after everything that it uses."""
        if (module_name, name) in self._seen:
            return
        self._seen.add((module_name, name))
        source, tree = _read(module_name)
        statements = list(_defining(tree, name))
        used = {node.id for statement in statements for node in ast.walk(statement) if isinstance(node, ast.Name)}
        for other in tree.body:
            if isinstance(other, ast.Import | ast.ImportFrom):
                self._import(other, used)
        for other_name in sorted(used - {name}, key=lambda each: _line_of(tree, each)):
            if any(_defining(tree, other_name)):
                self.add_definition(module_name, other_name)
        self.definitions.append(_text(source, statements))

    def _import(self, statement: ast.Import | ast.ImportFrom, only: set[str] | None = None) -> None:
        """Take over an import; with ``only``, the part of it that is used."""
        aliases = [alias for alias in statement.names if only is None or (alias.asname or alias.name) in only]
        if isinstance(statement, ast.Import):
            self.plain |= {_spelled(alias) for alias in aliases}
            return
        module = statement.module or ""
        if module == "__future__":
            return
        if module.startswith(PIECES):
            self.add_piece(module)
            return
        for alias in aliases:
            if module.startswith("lab."):
                self.add_definition(module, alias.name)
            else:
                self.names.setdefault(module, set()).add(_spelled(alias))

    def as_text(self, about: str, settings: Mapping[str, Any]) -> str:
        """The script."""
        parts = [f'"""{about.strip()}\n"""\n\nfrom __future__ import annotations\n\n{self._imports()}']
        values = "".join(f'    "{name}": {_literal(value)},\n' for name, value in settings.items())
        parts.append(f'{SETTINGS} = {{\n{values}}}\n"""The run\'s settings."""')
        if self.definitions:
            parts += [_title("Losses and groups, as the run had them."), *self.definitions]
        for title, text in self.pieces:
            parts += [_title(title), text]
        parts.append('if __name__ == "__main__":\n    main()')
        return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"

    def _imports(self) -> str:
        """The standard library first, then the packages."""
        lines: dict[bool, list[str]] = {True: [], False: []}
        for name in sorted(self.plain):
            lines[_is_standard(name)].append(f"import {name}")
        for module, names in sorted(self.names.items()):
            line = f"from {module} import {', '.join(sorted(names))}"
            if len(line) > WIDTH:
                line = f"from {module} import (\n" + "".join(f"    {name},\n" for name in sorted(names)) + ")"
            lines[_is_standard(module)].append(line)
        return "\n\n".join("\n".join(group) for group in lines.values() if group)


def script(algorithm: str, about: str, settings: Mapping[str, Any]) -> str:
    """The script of an algorithm that has a piece of its name."""
    made = Script()
    made.add_piece(PIECES + algorithm)
    return made.as_text(about, settings)


def _read(module: str) -> tuple[str, ast.Module]:
    """A module's text, which is not run: pieces import what lies beside the script alone."""
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None, module
    source = Path(spec.origin).read_text("utf-8")
    return source, ast.parse(source)


def _is_head(statement: ast.stmt, tree: ast.Module) -> bool:
    """Docstring, import, or the empty settings that the script has filled in."""
    if isinstance(statement, ast.Import | ast.ImportFrom) or statement is tree.body[0]:
        return True
    place = tree.body.index(statement)
    before = tree.body[place - 1]
    return _names(statement) == {SETTINGS} or (_is_docstring(statement) and _names(before) == {SETTINGS})


def _defining(tree: ast.Module, name: str) -> Iterator[ast.stmt]:
    """The statement that defines a name, and the docstring behind it."""
    for place, statement in enumerate(tree.body):
        if name in _names(statement):
            yield statement
            if place + 1 < len(tree.body) and _is_docstring(tree.body[place + 1]):
                yield tree.body[place + 1]


def _line_of(tree: ast.Module, name: str) -> int:
    return next((statement.lineno for statement in _defining(tree, name)), 0)


def _names(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {target.id for target in statement.targets if isinstance(target, ast.Name)}
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return {statement.target.id}
    return set()


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _text(source: str, statements: list[ast.stmt]) -> str:
    """The lines from the first statement to the last of each run of neighbours, with decorators and comments between them."""
    lines = source.split("\n")
    texts: list[str] = []
    last: int | None = None
    for statement in statements:
        marks = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(mark.lineno for mark in marks)])
        between = "\n".join(lines[last : first - 1]) if last is not None else ""
        if last is not None and all(not line.strip() or line.startswith("#") for line in between.split("\n")):
            texts += [between] if between else []
        texts.append("\n".join(lines[first - 1 : statement.end_lineno]))
        last = statement.end_lineno
    return "\n".join(texts)


def _spelled(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _title(text: str) -> str:
    return f"{RULE}\n# {text}"


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names
