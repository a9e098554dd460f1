"""``python -m lab doctor``: what this machine has, and what will and won't work here and why."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lab import __version__
from lab.commands.arguments import heads, open_store
from lab.commands.printing import print_json, print_table
from lab.errors import LabError, last_line
from lab.runs.launcher import ROOT, cores
from lab.sandbox import trusted, written
from lab.store.database import file_system
from lab.store.models import SHIPPED
from lab.store.runs import versions
from lab.words import say, size_text, system_locale, word

PATIENCE = 120.0


@dataclass(frozen=True)
class Finding:
    """Whether something works here: what, and why, as keys of ``[doctor]``; ``text`` is the why that is no sentence of ours."""

    works: bool
    what: str
    why: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    text: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""


def run(arguments: argparse.Namespace) -> int:
    """0 where a run could start here, else 1."""
    facts = _facts("en" if arguments.json else system_locale())
    worker, problem = _ask_worker()
    facts |= {key: value for key, value in worker.items() if key not in ("versions", "cuda")}
    packages = versions() | {name: version for name, version in (worker.get("versions") or {}).items() if version}
    findings = [*_home(arguments), *_training(worker, problem), *_layers(), *_sandbox()]
    ready = all(finding.works for finding in findings if finding.what in ("home", "training"))
    locale = "en" if arguments.json else system_locale()
    shown = [
        (
            each.works,
            say(f"doctor.what_{each.what}", locale),
            each.text or say(f"doctor.{each.why}", locale, **each.params),
        )
        for each in findings
    ]
    if arguments.json:
        told = [{"works": works, "what": what, "why": why} for works, what, why in shown]
        print_json(
            {"ready": ready, "machine": facts, "cuda": worker.get("cuda"), "versions": packages, "findings": told}
        )
        return 0 if ready else 1
    _print(facts, worker.get("cuda") or [], packages, shown, locale)
    return 0 if ready else 1


def _print(
    facts: dict[str, Any],
    cuda: list[dict[str, Any]],
    packages: Mapping[str, str],
    findings: list[tuple[bool, str, str]],
    locale: str,
) -> None:
    named = {say(f"doctor.fact_{name}", locale) if name in FACTS else name: value for name, value in facts.items()}
    named |= {
        f"cuda {number}": f"{gpu.get('name')}, {size_text(gpu.get('memory_bytes'))}" for number, gpu in enumerate(cuda)
    }
    print_table([*heads("doctor", "machine"), ""], list(named.items()))
    print()
    print_table(heads("doctor", "package", "version"), sorted(packages.items()))
    print()
    rows = [["✓" if works else "✕", what, why] for works, what, why in findings]
    print_table(["", *heads("doctor", "what", "why")], rows)


FACTS = ("python", "system", "processor", "cores", "memory", "lab", "device")


def _facts(locale: str) -> dict[str, Any]:
    memory = psutil.virtual_memory()
    return {
        "lab": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": cores(),
        "memory": say("doctor.free", locale, size=size_text(memory.total), free=size_text(memory.available)),
    }


def _ask_worker() -> tuple[dict[str, Any], str]:
    """What a worker finds; it alone may load torch. The second value says why there is nothing."""
    command = [sys.executable, "-m", "lab.training", "--doctor"]
    process = None
    try:
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return dict(json.loads(last_line(process.stdout))), ""
    except subprocess.TimeoutExpired:
        return {}, say("doctor.worker_silent", system_locale(), seconds=round(PATIENCE))
    except (OSError, ValueError):
        return {}, last_line(process.stderr if process else "", say("doctor.worker_failed", system_locale()))


def _home(arguments: argparse.Namespace) -> list[Finding]:
    try:
        home = open_store(arguments).home
    except LabError as error:
        return [_refused("home", error)]
    free, disk = shutil.disk_usage(home).free, file_system(home)
    key = "home_on" if disk else "home_local"
    return [Finding(True, "home", key, {"home": home, "disk": disk, "free": size_text(free)})]


def _training(worker: dict[str, Any], problem: str) -> list[Finding]:
    if not worker:
        if sys.platform == "darwin" and platform.machine() == "x86_64":
            return [Finding(False, "training", "intel_mac")]
        return [Finding(False, "training", text=problem)]
    device = str(worker.get("device", "cpu"))
    cuda, tiny = device == "cuda", (SHIPPED["tiny"] / "config.json").is_file()
    nf4, bf16 = bool(worker.get("nf4")), bool(worker.get("bf16"))
    qlora = "on_gpu" if cuda else "qlora_cpu"
    return [
        Finding(True, "training", "on_device", {"device": device}),
        Finding(tiny, "tiny", "shipped" if tiny else "tiny_missing", {"path": SHIPPED["tiny"]}),
        Finding(nf4, "qlora", qlora if nf4 else "no_bitsandbytes"),
        Finding(bf16, "bf16", "supported" if bf16 else "no_bf16", {"device": device}),
        Finding(cuda, "large", "fit_gpu" if cuda else "too_slow"),
    ]


def _layers() -> list[Finding]:
    linux, posix = sys.platform == "linux", os.name == "posix"
    boot_id = Path("/proc/sys/kernel/random/boot_id").exists()
    return [
        Finding(posix, "slot_lock", text="flock") if posix else Finding(False, "slot_lock", "no_flock"),
        Finding(posix, "process_group", "sessions" if posix else "no_sessions"),
        Finding(linux, "oom", text="oom_score_adj") if linux else Finding(False, "oom", "only_linux"),
        Finding(boot_id, "attach", "boot_id" if linux else "boot_time"),
    ]


HARDENING = ("no_new_privs", "parent_death", "address_space", "no_core_dumps", "no_file_growth")
"""The layers around the workers of written rules, as those name them; the interpreter in them has no files and no network anywhere."""


def _sandbox() -> list[Finding]:
    """The sandbox is really started: what is listed is what is active."""
    try:
        layers = written.worker().start()
    except (LabError, ChildProcessError, TimeoutError, OSError) as error:
        return [_refused("written", error)]
    finally:
        written.worker().close()
    findings = [Finding(True, "written", "own_python")]
    for name in HARDENING:
        there = Finding(True, name, text=name)
        findings.append(there if name in layers else Finding(False, name, "not_on", {"system": sys.platform}))
    try:
        if names := list(trusted.rules()):
            where = {"names": ", ".join(names), "path": trusted.path()}
            findings.append(Finding(True, "trusted", "trusted_from", where))
    except LabError as error:
        findings.append(_refused("trusted", error))
    return findings


def _refused(what: str, error: Exception) -> Finding:
    return Finding(False, what, text=word(error, system_locale()) if isinstance(error, LabError) else str(error))
