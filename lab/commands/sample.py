"""``python -m lab sample MODEL``: what a model writes to some prompts, K times each. Trains nothing and scores nothing."""

from __future__ import annotations

import argparse
import json
import shutil
from itertools import groupby
from pathlib import Path
from typing import Any

from lab.commands.arguments import add_home, add_json, open_store
from lab.commands.job_line import do, status
from lab.commands.printing import print_json, shorten
from lab.core.jobs import Kind, parse_job
from lab.data.datasets import rows_of_file
from lab.data.forms import as_prompts
from lab.errors import DatasetError
from lab.store.jobs import JobStore

HELP = "sample completions of prompts from a model: a shipped one, a run's, a run's checkpoint, a folder or a hub id"
EXAMPLES = """\
examples:
  python -m lab sample tiny --dataset equations -n 4
  python -m lab sample run:20261122-154501-k3f9 --prompts prompts.jsonl -k 8 --json
  python -m lab sample run:20261122-154501-k3f9@50 --prompt "Solve 3x + 5 = 20" --temperature 0.7

A file of prompts is JSONL, JSON, CSV or Parquet with a column prompt (and answer, where it is known), or a .txt with one a line.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """MODEL, where prompts come from, and how to sample."""
    parser.add_argument("model", metavar="MODEL", help="tiny, run:ID, run:ID@STEP, a model folder or a hub id")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--prompts", metavar="FILE", type=Path, help="take the prompts of a file")
    source.add_argument("--prompt", metavar="TEXT", action="append", help="ask this; may be repeated")
    source.add_argument("--dataset", metavar="NAME", help="take prompts of a dataset: equations, or a file")
    parser.add_argument("--part", choices=("train", "validation"), default="train", help="the part of the dataset")
    parser.add_argument("-k", metavar="K", type=int, default=4, help="completions of each prompt (default: 4)")
    parser.add_argument("-n", metavar="N", type=int, help="prompts at most (default: 16 of a dataset, all of a file)")
    parser.add_argument("--temperature", metavar="T", type=float, default=1.0, help="default: 1")
    parser.add_argument("--max-length", metavar="TOKENS", type=int, default=40, help="longest completion (default: 40)")
    parser.add_argument("--seed", metavar="S", type=int, default=1, help="the same seed gives the same completions")
    parser.add_argument("--four-bits", action="store_true", help="load the model in NF4")
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """0 sampled, 1 failed, 130 cancelled by Ctrl-C."""
    spec = parse_job(Kind.SAMPLE, _values(arguments))
    store = open_store(arguments)
    job = do(spec, store)
    lines = JobStore(store.home).folder(job.id).lines().lines
    lines.sort(key=lambda line: (line["prompt_number"], line["completion_number"]))
    if arguments.json:
        print_json({"job": job.id, "state": job.state.value, "completions": lines})
    else:
        _print(lines)
    return status(job)


def _values(arguments: argparse.Namespace) -> dict[str, Any]:
    values = {
        "model": arguments.model,
        "part": arguments.part,
        "completions": arguments.k,
        "temperature": arguments.temperature,
        "max_completion_length": arguments.max_length,
        "seed": arguments.seed,
        "load_in_4bit": arguments.four_bits,
    }
    if arguments.dataset:
        return values | {"dataset": arguments.dataset, "count": 16 if arguments.n is None else arguments.n}
    return values | {"prompts": _prompts(arguments)[: arguments.n]}


def _prompts(arguments: argparse.Namespace) -> list[Any]:
    if arguments.prompt:
        return list(arguments.prompt)
    path: Path = arguments.prompts
    if path.suffix.lower() != ".txt":
        return as_prompts(rows_of_file(str(path)))
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise DatasetError("prompts_unreadable", path=path) from None
    return [line.strip() for line in lines if line.strip()]


def _print(lines: list[dict[str, Any]]) -> None:
    room = max(40, shutil.get_terminal_size((120, 24)).columns - 12)
    for _, group in groupby(lines, key=lambda line: line["prompt_number"]):
        answers = list(group)
        known = answers[0]["answer"]
        print(shorten(answers[0]["prompt"], room) + (f"  ({json.dumps(known, ensure_ascii=False)})" if known else ""))
        for line in answers:
            print(f"  {line['tokens']:>5}{'+' if line['truncated'] else ' '} {shorten(line['text'], room)}")
