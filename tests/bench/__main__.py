"""``python -m tests.bench [names…]``: measure and print; what each number is stands in ``docs/benchmarks/README.md``.

A target that is missed is printed as such and fails nothing: the exit status is 1 only where a bench itself broke.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import time
import traceback
from collections.abc import Sequence

from tests.bench import report
from tests.bench.figures import Figure

BENCHES = (
    "start",
    "page",
    "idle",
    "groups",
    "live",
    "watchers",
    "annotate",
    "annotators",
    "imports",
    "kills",
    "kills_all",
    "load",
    "rules",
    "rules_page",
    "kept",
    "preflight",
    "many_groups",
    "compare",
)
"""The modules beside this one, in the order in which they are run; each has ``measure()``. One line registers one."""
HEAVY = ("memory", "classroom", "peers")
"""Those that take minutes and a model: run only when they are named."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen benches, one after the other, and print their figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the lab's speed and memory.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)} (default: all); {', '.join(HEAVY)}"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print a table for docs/benchmarks")
    chosen = parser.parse_args(arguments)
    if unknown := [name for name in chosen.names if name not in (*BENCHES, *HEAVY)]:
        parser.error(f"no bench is called {', '.join(unknown)}; there are {', '.join((*BENCHES, *HEAVY))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what it has started, as with Ctrl-C
    before = report.load()
    figures: dict[str, list[Figure]] = {}
    broken = []
    for name in [bench for bench in (*BENCHES, *HEAVY) if bench in (chosen.names or BENCHES)]:
        started = time.perf_counter()
        print(f"{name} …", end=" ", flush=True, file=sys.stderr)
        try:
            figures[name] = importlib.import_module(f"tests.bench.{name}").measure()
        except Exception:
            broken.append(name)
            traceback.print_exc()
        print(f"{time.perf_counter() - started:.0f} s", flush=True, file=sys.stderr)
    if chosen.json:
        print(report.as_json(figures, before))
    elif chosen.markdown:
        print(report.as_markdown(figures, before))
    else:
        print(f"\n{report.machine()}\n\n{report.as_text(figures)}")
    if broken:
        print(f"broken: {', '.join(broken)}", file=sys.stderr)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
