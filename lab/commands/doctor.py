"""``python -m lab doctor``: what this machine has, and what will and won't work here and why."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from lab import __version__
from lab.commands.arguments import add_home, add_json, open_store
from lab.commands.printing import print_json, print_table
from lab.errors import LabError
from lab.runs.launcher import ROOT, cores
from lab.sandbox import trusted, written
from lab.store.database import file_system
from lab.store.models import SHIPPED
from lab.store.runs import versions
from lab.words import size_text, system_locale, word

HELP = "show the device, the versions, and what will and won't work here and why"
PATIENCE = 120.0
Finding = tuple[bool, str, str]  # works, what, why


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only what every command has."""
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """0 where a run could start here, else 1."""
    facts = _facts()
    worker, problem = _ask_worker()
    facts |= {key: value for key, value in worker.items() if key not in ("versions", "cuda")}
    packages = versions() | {name: version for name, version in (worker.get("versions") or {}).items() if version}
    findings = [*_home(arguments), *_training(worker, problem), *_layers(), *_sandbox()]
    ready = all(works for works, what, _why in findings if what in ("home", "training"))
    if arguments.json:
        shown = [{"works": works, "what": what, "why": why} for works, what, why in findings]
        print_json(
            {"ready": ready, "machine": facts, "cuda": worker.get("cuda"), "versions": packages, "findings": shown}
        )
        return 0 if ready else 1
    cuda = worker.get("cuda") or []
    facts |= {
        f"cuda {number}": f"{gpu.get('name')}, {size_text(gpu.get('memory_bytes'))}" for number, gpu in enumerate(cuda)
    }
    print_table(["machine", ""], list(facts.items()))
    print()
    print_table(["package", "version"], sorted(packages.items()))
    print()
    print_table(["", "what", "why"], [["✓" if works else "✕", what, why] for works, what, why in findings])
    return 0 if ready else 1


def _facts() -> dict[str, Any]:
    memory = psutil.virtual_memory()
    return {
        "lab": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": cores(),
        "memory": f"{size_text(memory.total)}, {size_text(memory.available)} free",
    }


def _ask_worker() -> tuple[dict[str, Any], str]:
    """What a worker finds; it alone may load torch. The second value says why there is nothing."""
    command = [sys.executable, "-m", "lab.training", "--doctor"]
    process = None
    try:
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return dict(json.loads(process.stdout.strip().splitlines()[-1])), ""
    except subprocess.TimeoutExpired:
        return {}, f"the worker did not answer within {PATIENCE:.0f} seconds"
    except (OSError, ValueError, IndexError):
        last = [line for line in process.stderr.splitlines() if line.strip()] if process else []
        return {}, last[-1] if last else "the worker could not be started"


def _home(arguments: argparse.Namespace) -> list[Finding]:
    try:
        home = open_store(arguments).home
    except LabError as error:
        return [(False, "home", word(error, system_locale()))]
    free = shutil.disk_usage(home).free
    return [(True, "home", f"{home} on {file_system(home) or 'a local disk'}, {size_text(free)} free")]


def _training(worker: dict[str, Any], problem: str) -> list[Finding]:
    if not worker:
        why = problem
        if sys.platform == "darwin" and platform.machine() == "x86_64":
            why = "PyTorch makes no packages for Intel Macs any more: use another machine, or a Space"
        return [(False, "training", why)]
    device = str(worker.get("device", "cpu"))
    cuda = device == "cuda"
    tiny = (SHIPPED["tiny"] / "config.json").is_file()
    nf4 = bool(worker.get("nf4"))
    qlora = "on the GPU" if cuda else "on the CPU: saves memory, costs time; fast only on CUDA"
    return [
        (True, "training", f"on {device}"),
        (tiny, "tiny model", "shipped" if tiny else f"{SHIPPED['tiny']} is missing: get the whole repository"),
        (nf4, "QLoRA (4 bit)", qlora if nf4 else "bitsandbytes is not installed: pip install bitsandbytes"),
        (
            bool(worker.get("bf16")),
            "bf16",
            "supported" if worker.get("bf16") else f"not on this {device}; fp32 is used",
        ),
        (cuda, "models beyond 1 B", "fit on a GPU" if cuda else "too slow without a CUDA GPU; tiny and 135 M work"),
    ]


def _layers() -> list[Finding]:
    linux, posix = sys.platform == "linux", os.name == "posix"
    return [
        (
            posix,
            "slot lock handed to workers",
            "flock" if posix else "not on Windows: do not start two labs on one home",
        ),
        (
            posix,
            "whole process group is stopped",
            "sessions" if posix else "on Windows only the children that are found",
        ),
        (linux, "worker goes first when memory ends", "oom_score_adj" if linux else "only on Linux"),
        (
            Path("/proc/sys/kernel/random/boot_id").exists(),
            "re-attach is exact",
            "boot id" if linux else "by boot time",
        ),
    ]


HARDENING = {
    "no_new_privs": "rules gain no privileges",
    "parent_death": "rules end with the lab",
    "address_space": "rules' memory is limited",
    "no_core_dumps": "rules leave no core dumps",
    "no_file_growth": "rules write no files",
}
"""The layers around the workers of written rules, as those name them; the interpreter in them has no files and no network anywhere."""


def _sandbox() -> list[Finding]:
    """The sandbox is really started: what is listed is what is active."""
    try:
        layers = written.worker().start()
    except (LabError, ChildProcessError, TimeoutError, OSError) as error:
        why = word(error, system_locale()) if isinstance(error, LabError) else str(error)
        return [(False, "written rules", why)]
    finally:
        written.worker().close()
    findings: list[Finding] = [
        (True, "written rules", "run in a small Python of their own, in a process that can be killed")
    ]
    system = sys.platform
    findings += [
        (name in layers, what, name if name in layers else f"not on {system}") for name, what in HARDENING.items()
    ]
    try:
        if names := list(trusted.rules()):
            findings.append((True, "trusted rules", f"{', '.join(names)} from {trusted.path()}"))
    except LabError as error:
        findings.append((False, "trusted rules", word(error, system_locale())))
    return findings
