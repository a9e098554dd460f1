"""What runs inside the sandbox's worker: it hardens itself, then answers one JSON line for each that it reads.

Started by ``worker.py`` as a program, never imported by the lab. It holds no secrets (its environment is empty) and needs no files
once its modules are loaded. Covered: endless or huge parsing (killed from outside; address space), gaining privileges,
outliving its parent. Not covered: it can still read files and open sockets, so nothing that a model wrote is *run* here.

Request ``{"rule", "prompt", "completion", "answer"}`` → ``{"value": …}`` or ``{"error": "Type: message"}``; ``{"toml": text}`` →
``{"value": its values}`` or ``{"error": why}``. The first line that it writes names the layers that are active: ``{"layers": […]}``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.core.rules import Rule

ADDRESS_SPACE = 1 << 30
"""Bytes; a worker with its modules loaded takes a fifth of that."""

DEEPEST = 12
"""Levels of a TOML text; a rule set has five."""

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SIGKILL = 9


def harden(parent: int, *, limits: bool = True, address_space: int = ADDRESS_SPACE) -> list[str]:
    """Turn on what this system has, and name it. A layer that the system lacks is left out, not an error. ``limits=False`` leaves
    out those of memory and files, for rules that the owner trusts; ``address_space`` is in bytes."""
    layers: list[str] = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the lab; this process ends with its input
    if sys.platform.startswith("linux"):
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
            layers.append("no_new_privs")
        if libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0:
            layers.append("parent_death")
            if os.getppid() != parent:  # it died before the signal was asked for
                sys.exit(0)
    if sys.platform != "win32" and limits:
        import resource

        for name, limit, value in (
            ("address_space", resource.RLIMIT_AS, address_space),
            ("no_core_dumps", resource.RLIMIT_CORE, 0),
            ("no_file_growth", resource.RLIMIT_FSIZE, 0),
        ):
            try:
                resource.setrlimit(limit, (value, value))
            except (ValueError, OSError):  # macOS refuses some
                continue
            layers.append(name)
    return layers


def main(parent: int, search_path: list[str]) -> None:
    """Answer until the input ends. The packages are found where the lab found them, wherever that is."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not stand between two replies
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.path += [entry for entry in search_path if entry not in sys.path]
    from lab.rules import RULES

    print(json.dumps({"layers": harden(parent)}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(RULES, line)), file=replies, flush=True)


def answer(rules: Mapping[str, Rule], line: str) -> dict[str, object]:
    """The reply to one request."""
    try:
        request = json.loads(line)
        if "toml" in request:
            return _toml(request["toml"])
        rule = rules[request["rule"]]
        return {"value": rule.function(request["prompt"], request["completion"], request["answer"])}
    except Exception as error:  # a failure of a rule is an answer; only a crash ends the worker
        return {"error": f"{type(error).__name__}: {error}"[:200]}


def _toml(text: str) -> dict[str, object]:
    try:
        values = tomllib.loads(text)
        if not _shallow(values, DEEPEST):
            return {"error": "it is nested too deeply"}
        return {"value": json.loads(json.dumps(values, default=str))}
    except RecursionError:
        return {"error": "it is nested too deeply"}
    except ValueError as error:  # also TOMLDecodeError
        return {"error": str(error)[:200]}


def _shallow(value: object, levels: int) -> bool:
    """Whether tables and lists are nested at most so deep."""
    if not isinstance(value, (dict, list)):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_shallow(item, levels - 1) for item in inner)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
