"""``python -m lab out RUN DIR``: a run's model as others read it, adapter or merged, with GGUF, card and check."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.commands.arguments import explained, open_store, run_called
from lab.commands.job_line import do, status
from lab.commands.printing import print_json
from lab.core.jobs import Kind, parse_job
from lab.core.out_jobs import Gguf
from lab.runs.leaving import OUT, check_target, push, put, run_named
from lab.store.hub import hub_client
from lab.store.jobs import JobStore
from lab.store.runs import RunState
from lab.words import say, system_locale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, where to, and in which forms."""
    parser.add_argument("run", metavar="RUN", help=explained("out.run"))
    parser.add_argument("folder", metavar="DIR", help=explained("out.folder"))
    parser.add_argument("--merge", action="store_true", help=explained("out.merge"))
    formats = [kind.value for kind in Gguf if kind]
    parser.add_argument("--gguf", choices=formats, help=explained("out.gguf"))
    parser.add_argument("--push", metavar="ORG/NAME", help=explained("out.push"))
    parser.add_argument("--public", action="store_true", help=explained("out.public"))


def run(arguments: argparse.Namespace) -> int:
    """0 written, 1 failed, 130 cancelled by Ctrl-C."""
    store = open_store(arguments)
    run_id = run_named(run_called(store, arguments.run))
    spec = parse_job(Kind.OUT, {"run": run_id, "merge": arguments.merge, "gguf": arguments.gguf or ""})
    target = check_target(arguments.folder)
    if arguments.push:
        hub_client()  # raises where there is no token
    job = do(spec, store)
    if job.state is not RunState.FINISHED:
        return status(job)
    folder = put(JobStore(store.home).folder(job.id).path / OUT, target)
    address = push(folder, arguments.push, private=not arguments.public) if arguments.push else None
    _print(arguments, folder, address, job.result or {})
    return 0


def _print(arguments: argparse.Namespace, folder: Path, address: str | None, result: dict[str, object]) -> None:
    if arguments.json:
        shown = {name: result.get(name) for name in ("files", "checked", "base", "gguf")}
        print_json({"folder": str(folder), "pushed": address, **shown})
        return
    locale = system_locale()
    checked = result.get("checked")
    counts = checked if isinstance(checked, dict) else {}
    print(say("cli.out_written", locale, folder=folder, **counts))
    if address:
        print(say("cli.out_pushed", locale, address=address))
