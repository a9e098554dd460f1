"""The source of a ready-made rule in the form of a written one: what the bench shows is what scores.

It is cut out of the rules' own modules as the export's is, so there is no second text that could differ. A rule has one only where
everything that it needs exists in the sandbox of written rules; the others (exact fractions, parsers, math-verify) are the lab's code, and
the bench says so.
"""

from __future__ import annotations

from functools import cache

from lab.rules.export import FOREIGN, IMPORTED_TYPES, NEEDS, library_of

IN_SANDBOX_OF_WRITTEN = frozenset({"import math", "import re"})
"""What a written rule may import of what the rules' modules import."""

_STANDS_IN = {"RuleFunction": "", "RuleError": "RuleError = ValueError", "re2": ""}


@cache
def source_of(name: str) -> str | None:
    """The source of the ready-made rule of this name, with its function at the end as ``reward``; None where it cannot have one."""
    if name in NEEDS:
        return None
    definitions, imported = library_of(name)
    imports = {line for line in imported.values() if line not in IMPORTED_TYPES}
    names = {defined for defined, _ in definitions}
    if not imports <= IN_SANDBOX_OF_WRITTEN:
        return None
    if "re2" in names:
        imports.add("import re")
    parts = [
        _STANDS_IN.get(defined, text).replace("re2.", "re.") if defined in FOREIGN or "re2." in text else text
        for defined, text in definitions
    ]
    body = "\n\n\n".join(part for part in parts if part)
    head = "\n".join(["from __future__ import annotations", *sorted(imports)])
    reward = f"def reward(prompt, completion, answer):\n    return {name}(prompt, completion, answer)\n"
    return f"{head}\n\n\n{body}\n\n\n{reward}"
