"""What runs inside the worker of trusted rules: it loads the owner's file and answers one JSON line for each that it reads.

Started by ``worker.py`` as a program, never imported by the lab. The file is trusted, so it has the machine; of the layers of
hardening it keeps those that end it with its parent and keep it from gaining privileges.

Request ``{"file", "written", "rule", "rows": [[prompt, completion, answer]…]}`` → ``{"results": […]}``, each ``{"value": …}`` or ``{"error": "Type:
message"}``. A file that does not load is the error of every row.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

NUMBERS = (bool, int, float)


def answer(loaded: dict[str, Any], line: str) -> dict[str, Any]:
    """The reply to one request; ``loaded`` keeps the file between requests, until it is written anew."""
    request = json.loads(line)
    version = f"{request['file']} {request['written']}"
    try:
        if version not in loaded:
            loaded.clear()
            loaded[version] = runpy.run_path(request["file"])
        function = loaded[version][request["rule"]]
    except BaseException as error:
        return {"results": [_error(error)] * len(request["rows"])}
    return {"results": [_result(function, row) for row in request["rows"]]}


def _result(function: Any, row: list[str | None]) -> dict[str, Any]:
    try:
        value = function(*row)
    except BaseException as error:  # also SystemExit: a rule's failure is an answer
        return _error(error)
    if type(value) in NUMBERS and (not isinstance(value, int) or abs(value) < 1 << 1000):
        return {"value": value}
    if hasattr(value, "__float__") and not isinstance(value, int):  # a number of another library
        with contextlib.suppress(Exception):
            return {"value": float(value)}
    return {"error": f"gave {type(value).__name__}, not a number"}


def _error(error: BaseException) -> dict[str, Any]:
    text = f"{type(error).__name__}: {error}"[:400].replace("\n", " ")
    return {"error": text.encode("utf-8", "replace").decode("utf-8")}


def main(parent: int, search_path: list[str]) -> None:
    """Answer until the input ends. The packages are found where the lab found them, wherever that is."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the file prints must not stand between two replies
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.path += [entry for entry in search_path if entry not in sys.path]
    from lab.sandbox.inside import harden

    print(json.dumps({"layers": harden(parent, limits=False)}), file=replies, flush=True)
    loaded: dict[str, Any] = {}
    for line in sys.stdin:
        print(json.dumps(answer(loaded, line)), file=replies, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
