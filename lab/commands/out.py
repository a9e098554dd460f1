"""``python -m lab out RUN DIR``: a run's model as others read it, adapter or merged, with GGUF, card and check."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.commands.arguments import add_home, add_json, open_store
from lab.commands.job_line import do, status
from lab.commands.printing import print_json
from lab.core.jobs import Kind, parse_job
from lab.core.out_jobs import Gguf
from lab.runs.leaving import OUT, check_target, hub_token, push, put, run_named
from lab.store.jobs import JobStore
from lab.store.runs import RunState
from lab.words import say, system_locale

HELP = "write a run's model into a folder as transformers, peft, vLLM, llama.cpp and Ollama read it"
EXAMPLES = """\
examples:
  python -m lab out 20261122-154501-k3f9 my-adapter                    the adapter, and its base by a name that others find
  python -m lab out 20261122-154501-k3f9@100 my-model --merge          of a checkpoint: one model with all weights, in fp32
  python -m lab out 20261122-154501-k3f9 my-model --gguf q8_0          a GGUF file besides, for llama.cpp and Ollama
  python -m lab out 20261122-154501-k3f9 my-model --merge --push me/my-model   to the Hub as well, private; needs HF_TOKEN

What is written is loaded again in a process without the lab, and must write the same greedy answers; else nothing is left in DIR.
f16 and q8_0 need nothing else. q4_k_m is made by llama.cpp: `llama-quantize` on the PATH, or `pip install llama-cpp-python`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, where to, and in which forms."""
    parser.add_argument("run", metavar="RUN", help="the run's id; ID@STEP is the checkpoint of that step")
    parser.add_argument("folder", metavar="DIR", help="a folder that is empty or not there")
    parser.add_argument("--merge", action="store_true", help="add the adapter to the base's weights, in full precision")
    formats = [kind.value for kind in Gguf if kind]
    parser.add_argument("--gguf", choices=formats, help="write a GGUF file as well, in this number format")
    parser.add_argument("--push", metavar="ORG/NAME", help="send the folder to the Hub as a model")
    parser.add_argument("--public", action="store_true", help="with --push: for everybody to see (default: private)")
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """0 written, 1 failed, 130 cancelled by Ctrl-C."""
    spec = parse_job(
        Kind.OUT, {"run": run_named(arguments.run), "merge": arguments.merge, "gguf": arguments.gguf or ""}
    )
    target = check_target(arguments.folder)
    if arguments.push:
        hub_token()
    store = open_store(arguments)
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
