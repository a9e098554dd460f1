"""Warnings of reward hacking, with completions to read, made from a run's folder while it is written or later.

When something counts is decided in ``lab.core.hacking``. Each warning is also a sentence: ``key`` and ``params`` are worded like an error's.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary

from lab.core.hacking import WINDOW, Finding, Line, find_hacking, pick_samples
from lab.core.rules import score
from lab.errors import StateError
from lab.sandbox.ready import READY
from lab.store.run_folder import RunFolder
from lab.store.runs import Run, Store

PATIENCE = 3.0
"""Seconds for which the warnings of a running run are cached, however many people watch it."""

EARLY = 64
"""Steps from the start in which the same prompt is looked for."""

RunWarning = dict[str, Any]
"""The shape that stands in docs/formats.md."""


@dataclass
class _Known:
    size: int
    at: float
    warnings: list[RunWarning]


_known: WeakKeyDictionary[RunFolder, _Known] = WeakKeyDictionary()


def warnings_of(run: Run, store: Store) -> list[RunWarning]:
    """The warnings that a run's metrics and groups give rise to; none for algorithms without rewards. Cheap to ask again."""
    weights = weights_of(run.recipe)
    if not weights:
        return []
    folder = store.folder(run.id)
    try:
        size = (folder.path / "metrics.jsonl").stat().st_size
    except OSError:
        return []
    known = _known.get(folder)
    if known is not None and (known.size == size or (not run.state.ended and time.monotonic() - known.at < PATIENCE)):
        return known.warnings
    warnings = [_warning(finding, folder) for finding in find_hacking(folder.metrics().lines, weights)]
    _known[folder] = _Known(size, time.monotonic(), warnings)
    return warnings


def to_judge(run: Run, store: Store, signal: str) -> list[dict[str, Any]]:
    """The samples of a warning as pairs for people to judge: ``prompt, first, second, first_source, second_source`` each; a prompt is
    text, or the messages of a conversation.

    Beside a sample stands another completion of its group; where the whole group says the same, an earlier one of the same prompt;
    else the known answer. Raises StateError ``warning_gone`` where the run gives no such warning (any more).
    """
    warning = next((each for each in warnings_of(run, store) if each["signal"] == signal), None)
    if warning is None:
        raise StateError("warning_gone", run=run.name)
    folder = store.folder(run.id)
    rows = [_pair(sample, run, folder) for sample in warning["samples"]]
    return [row for row in rows if row is not None]


def _pair(sample: dict[str, Any], run: Run, folder: RunFolder) -> dict[str, Any] | None:
    text = str(sample["text"])
    (line,) = [
        group for group in folder.group_lines(sample["step"], sample["step"]) if group["group"] == sample["group"]
    ]
    prompt = _prompt_of(line)
    early = [group for group in folder.group_lines(1, EARLY) if _prompt_of(group) == prompt]
    others = [
        (str(completion["text"]), group["step"]) for group in [line, *early] for completion in group["completions"]
    ]
    second = next(((other, f"run:{run.id} step {step}") for other, step in others if _differ(other, text)), None)
    if second is None and line.get("answer") is not None and _differ(str(line["answer"]), text):
        second = (str(line["answer"]), "answer")
    if second is None or not text.strip():
        return None
    here = f"run:{run.id} step {sample['step']}"
    return {"prompt": prompt, "first": text, "first_source": here, "second": second[0], "second_source": second[1]}


def _prompt_of(line: Line) -> str | list[dict[str, str]]:
    """The prompt of a group: of a conversation every message."""
    return line.get("turns") or str(line["prompt"])


def _differ(text: str, other: str) -> bool:
    return bool(text.strip()) and text.strip() != other.strip()


def weights_of(recipe: dict[str, Any]) -> dict[str, float]:
    """What each rule's mean score counts in the reward, the reward model among them."""
    share = float(recipe.get("rules_weight", 1.0))
    weights = {str(use["name"]): share * float(use.get("weight", 1.0)) for use in recipe.get("rules") or ()}
    if recipe.get("reward_model"):
        weights["reward_model"] = float(recipe.get("reward_model_weight", 1.0))
    return weights


def _warning(finding: Finding, folder: RunFolder) -> RunWarning:
    lines = folder.group_lines(max(1, finding.step - WINDOW + 1), finding.step)
    share = finding.signal in ("pass_at_1", "agreement", "same_answer", "repetition")
    shown = {
        "rule": finding.rule,
        "since": finding.since,
        "step": finding.step,
        "before": _percent(finding.before) if share else f"{finding.before:.0f}",
        "now": _percent(finding.now) if share else f"{finding.now:.0f}",
        "reward_before": f"{finding.reward_before:.2f}",
        "reward_now": f"{finding.reward_now:.2f}",
    }
    return {
        "kind": "reward_hacking",
        **asdict(finding),
        "key": f"hacking_{finding.signal}",
        "params": shown,
        "samples": pick_samples(lines, finding.rule, _is_right),
    }


def _is_right(line: Line, text: str) -> bool | None:
    if line.get("answer") is None:
        return None
    return score(READY["equals_answer"], str(line["prompt"]), text, str(line["answer"])).value == 1.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
