"""What runs inside the worker of the rule that reads mathematics: ``inside.py`` with math-verify and sympy loaded before the first
completion comes, since that takes longer than a completion may.

Started by ``worker.py`` as a program, never imported by the lab. It answers in its main thread, where ``signal.alarm`` ends what takes
too long; what does not hear the alarm is killed from outside.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main(parent: int, search_path: list[str]) -> None:
    """Answer until the input ends. The packages are found where the lab found them, wherever that is."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not stand between two replies
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.path += [entry for entry in search_path if entry not in sys.path]
    from lab.core.rules import Rule
    from lab.rules import RULES
    from lab.rules.equality import FORMULAS, formulas_equal, library
    from lab.sandbox.inside import answer, harden

    layers = harden(parent, limits=False)
    try:
        library()
    except Exception as error:
        print(json.dumps({"layers": layers, "failed": f"{type(error).__name__}: {error}"}), file=replies, flush=True)
        return
    print(json.dumps({"layers": harden(parent)}), file=replies, flush=True)
    known = RULES | {FORMULAS: Rule(FORMULAS, lambda first, second, _: float(formulas_equal(first, second)))}
    for line in sys.stdin:
        print(json.dumps(answer(known, line)), file=replies, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
