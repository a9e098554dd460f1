"""What a run's own records give reason to look at: reward hacking, with completions to read. Read from its folder, live or finished.

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
from lab.rules import RULES
from lab.store.run_folder import RunFolder
from lab.store.runs import Run, Store

PATIENCE = 3.0
"""Seconds between two looks at the same run while it is written, however many people watch it."""

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
    found = [_warning(one, folder) for one in find_hacking(folder.metrics().lines, weights)]
    _known[folder] = _Known(size, time.monotonic(), found)
    return found


def to_judge(run: Run, store: Store, signal: str) -> list[dict[str, Any]]:
    """The samples of a warning as pairs for people to judge: ``prompt, first, second, first_source, second_source`` each; a prompt is
    text, or the messages of a conversation.

    Beside a sample stands another completion of its group; where the group said one thing only, an earlier one of the same prompt;
    else the known answer. Raises StateError ``warning_gone`` where the run gives no such warning (any more).
    """
    warning = next((one for one in warnings_of(run, store) if one["signal"] == signal), None)
    if warning is None:
        raise StateError("warning_gone", run=run.name)
    folder = store.folder(run.id)
    rows = [_pair(sample, run, folder) for sample in warning["samples"]]
    return [row for row in rows if row is not None]


def _pair(sample: dict[str, Any], run: Run, folder: RunFolder) -> dict[str, Any] | None:
    text = str(sample["text"])
    (line,) = [each for each in folder.group_lines(sample["step"], sample["step"]) if each["group"] == sample["group"]]
    prompt = _asked(line)
    early = [each for each in folder.group_lines(1, EARLY) if _asked(each) == prompt]
    others = [(str(one["text"]), each["step"]) for each in [line, *early] for one in each["completions"]]
    found = next(((other, f"run:{run.id} step {step}") for other, step in others if _differ(other, text)), None)
    if found is None and line.get("answer") is not None and _differ(str(line["answer"]), text):
        found = (str(line["answer"]), "answer")
    if found is None or not text.strip():
        return None
    here = f"run:{run.id} step {sample['step']}"
    return {"prompt": prompt, "first": text, "first_source": here, "second": found[0], "second_source": found[1]}


def _asked(line: Line) -> str | list[dict[str, str]]:
    """What a group was asked: of a conversation every message."""
    return line.get("turns") or str(line["prompt"])


def _differ(one: str, other: str) -> bool:
    return bool(one.strip()) and one.strip() != other.strip()


def weights_of(recipe: dict[str, Any]) -> dict[str, float]:
    """What each rule's mean score counts in the reward, the reward model among them."""
    share = float(recipe.get("rules_weight", 1.0))
    weights = {str(use["name"]): share * float(use.get("weight", 1.0)) for use in recipe.get("rules") or ()}
    if recipe.get("reward_model"):
        weights["reward_model"] = float(recipe.get("reward_model_weight", 1.0))
    return weights


def _warning(found: Finding, folder: RunFolder) -> RunWarning:
    lines = folder.group_lines(max(1, found.step - WINDOW + 1), found.step)
    share = found.signal in ("pass_at_1", "agreement", "same_answer", "repetition")
    shown = {
        "rule": found.rule,
        "since": found.since,
        "step": found.step,
        "before": _percent(found.before) if share else f"{found.before:.0f}",
        "now": _percent(found.now) if share else f"{found.now:.0f}",
        "reward_before": f"{found.reward_before:.2f}",
        "reward_now": f"{found.reward_now:.2f}",
    }
    return {
        "kind": "reward_hacking",
        **asdict(found),
        "key": f"hacking_{found.signal}",
        "params": shown,
        "samples": pick_samples(lines, found.rule, _is_right),
    }


def _is_right(line: Line, text: str) -> bool | None:
    if line.get("answer") is None:
        return None
    return score(RULES["equals_answer"], str(line["prompt"]), text, str(line["answer"])).value == 1.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
