"""``python -m lab sample MODEL``: what a model writes to some prompts, K times each. Trains nothing and scores nothing."""

from __future__ import annotations

import argparse
import json
import shutil
from itertools import groupby
from pathlib import Path
from typing import Any

from lab.commands.arguments import explained, open_store
from lab.commands.job_line import do, status
from lab.commands.printing import print_json, shorten
from lab.core.jobs import Kind, parse_job
from lab.data.datasets import rows_of_file
from lab.data.forms import shape_prompts
from lab.errors import DatasetError
from lab.store.jobs import JobStore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """MODEL, where prompts come from, and how to sample."""
    parser.add_argument("model", metavar="MODEL", help=explained("sample.model"))
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--prompts", metavar="FILE", type=Path, help=explained("sample.prompts"))
    source.add_argument("--prompt", metavar="TEXT", action="append", help=explained("sample.prompt"))
    source.add_argument("--dataset", metavar="NAME", help=explained("sample.dataset"))
    parser.add_argument("--part", choices=("train", "validation"), default="train", help=explained("sample.part"))
    parser.add_argument("-k", metavar="K", type=int, default=4, help=explained("sample.k"))
    parser.add_argument("-n", metavar="N", type=int, help=explained("sample.n"))
    parser.add_argument("--temperature", metavar="T", type=float, default=1.0, help=explained("sample.temperature"))
    parser.add_argument("--max-length", metavar="TOKENS", type=int, default=40, help=explained("sample.max_length"))
    parser.add_argument("--seed", metavar="S", type=int, default=1, help=explained("sample.seed"))
    parser.add_argument("--four-bits", action="store_true", help=explained("sample.four_bits"))


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
        return shape_prompts(rows_of_file(str(path))).rows
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
