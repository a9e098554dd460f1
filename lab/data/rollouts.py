"""Rollouts that other tools recorded, row by row as completions with their rewards: which tool wrote a file, and what its columns mean.

| tool | file | a row |
|---|---|---|
| trl | `completions/*.parquet` (`log_completions`) | a completion; a column a reward function, `advantage` |
| verl | `STEP.jsonl` (`trainer.rollout_data_dir`) | a completion; `input`, `output`, `score`, `step`, what the reward function returned besides |
| ms-swift | `completions.jsonl` (`log_completions`) | a step; each column a list |
| verifiers | `results.jsonl` | a rollout; `reward`, `metrics` |
| prime-rl, verifiers 1 | `traces.jsonl` | an episode with its traces; `rewards` with weights |

Not here: what becomes of them as groups (``lab/core/recorded.py``), a trace's graph of messages (``traces.py``), reading the file (``rows.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lab.core.recorded import Rollout
from lab.data.left_out import LeftOut, NotUsable, WhyLeftOut
from lab.data.messages import completion_text, prompt_parts
from lab.data.rows import Rows
from lab.data.traces import of_episode, of_trace
from lab.data.turns import number_of, score_of
from lab.errors import DatasetError

PLAIN = frozenset({"step", "prompt", "completion", "advantage", "advantages", "gen_step", "prompt_id", "request_id"})
"""Columns of trl and ms-swift that are no reward function's, even where they hold numbers."""
BESIDE = frozenset({"entropy", "num_turns", "images", "image"})
VERL = frozenset({"input", "output", "gts", "score", "step", "request_id", "uid"})


class Tool(StrEnum):
    """Who wrote a file, by its form."""

    TRL = "trl"
    VERL = "verl"
    SWIFT = "ms-swift"
    VERIFIERS = "verifiers"
    PRIME_RL = "prime-rl"


NEEDED: dict[Tool, tuple[str, ...]] = {
    Tool.PRIME_RL: ("traces",),
    Tool.VERL: ("input", "output", "score"),
    Tool.VERIFIERS: ("example_id", "prompt", "completion", "reward"),
    Tool.SWIFT: ("prompt", "completion", "advantages"),
    Tool.TRL: ("step", "prompt", "completion", "advantage"),
}
"""The columns that tell a form, the most telling first."""
SINGLE_TRACE = ("nodes", "rewards", "task")


@dataclass(frozen=True)
class FoundRollouts:
    """The rollouts of some rows, and the rows that are none."""

    tool: Tool
    rollouts: list[Rollout]
    left_out: list[LeftOut]
    passed_over: tuple[str, ...] = ()
    """Columns that nothing was read from."""


class RolloutFinder:
    """Finds the rollouts of a file, one batch of its rows after the other. ``rewards`` names the columns that are reward functions, where the
    file does not tell them from other numbers (trl, ms-swift)."""

    def __init__(self, rewards: Sequence[str] = ()) -> None:
        self.rewards = tuple(rewards)
        self.tool: Tool | None = None
        self._numbers: list[str] = []
        """The columns that hold numbers and nothing else, of the first batch."""

    def find(self, rows: Rows) -> FoundRollouts:
        """The rollouts of a batch. Raises DatasetError where the columns are no tool's, or a reward function that was named is missing."""
        if self.tool is None:
            self.tool = tool_of(rows)
            self._numbers = _number_columns(rows)
        if missing := [name for name in self.rewards if name not in rows.columns]:
            known = ", ".join(rows.columns[:40])
            raise DatasetError("rollouts_no_reward", path=rows.path, value=", ".join(missing), known=known)
        rollouts: list[Rollout] = []
        left_out = list(rows.left_out)
        for line, row in zip(rows.lines, rows.rows, strict=True):
            try:
                rollouts += self._of_row(row, line)
            except NotUsable as reason:
                left_out.append(reason.at(line))
        read = {"step", *(name for rollout in rollouts for name in (*rollout.scores, *rollout.read))}
        passed_over = tuple(name for name in rows.columns if name not in read) if rollouts else ()
        return FoundRollouts(self.tool, rollouts, sorted(left_out, key=lambda row: row.line), passed_over)

    def _of_row(self, row: Mapping[str, Any], line: int) -> list[Rollout]:
        if self.tool is Tool.PRIME_RL:
            return list(of_episode(row, line)) if "traces" in row else [of_trace(row, line)]
        if self.tool is Tool.VERL:
            return [_of_verl(row, line, [name for name in self._numbers if name not in VERL])]
        if self.tool is Tool.VERIFIERS:
            return [_of_verifiers(row, line)]
        if self.tool is Tool.SWIFT:
            return list(self._of_table(row, line))
        return [self._of_trl(row, line, "advantage")]

    def _of_table(self, table: Mapping[str, Any], line: int) -> Iterator[Rollout]:
        """ms-swift writes a table a step: each column a list. Some versions write a completion a line, as trl has it."""
        if not isinstance(table.get("completion"), list) or not isinstance(table.get("prompt"), list):
            yield self._of_trl(table, line, "advantages")
            return
        columns = {name: values for name, values in table.items() if isinstance(values, list)}
        sizes = {name: len(values) for name, values in columns.items()}
        if len(set(sizes.values())) > 1:
            raise NotUsable(WhyLeftOut.UNEVEN, ", ".join(f"{name} {size}" for name, size in sizes.items()))
        for place in range(sizes["completion"]):
            yield self._of_trl({name: values[place] for name, values in columns.items()}, line, "advantages")

    def _of_trl(self, row: Mapping[str, Any], line: int, advantage: str) -> Rollout:
        """trl and ms-swift: a column a reward function. Their weights are not in the file: each counts once."""
        prompt, turns = prompt_parts(row, "prompt")
        names = self.rewards or [name for name in self._numbers if name not in PLAIN | BESIDE]
        scores = {name: score_of(row.get(name)) for name in names}
        known = [value for value in scores.values() if value is not None]
        return Rollout(
            line=line,
            step=_step(row),
            group=None,
            prompt=prompt,
            turns=turns,
            text=completion_text(row, "completion"),
            scores=scores,
            reward=sum(known) if known else None,
            advantage=number_of(row.get(advantage)),
            read=("prompt", "completion", advantage),
        )


def tool_of(rows: Rows) -> Tool:
    """Who wrote the file. Raises DatasetError ``rollouts_form``, naming the form that is nearest and what it lacks of it."""
    columns = set(rows.columns)
    if columns.issuperset(SINGLE_TRACE):
        return Tool.PRIME_RL
    for tool, needed in NEEDED.items():
        if columns.issuperset(needed):
            return tool
    nearest = max(NEEDED, key=lambda tool: len(columns & set(NEEDED[tool])) / len(NEEDED[tool]))
    missing = ", ".join(name for name in NEEDED[nearest] if name not in columns)
    first = rows.lines[0] if rows.lines else 1
    found = ", ".join(rows.columns[:40]) or "–"
    raise DatasetError("rollouts_form", path=rows.path, line=first, found=found, nearest=nearest.value, missing=missing)


def _of_verl(row: Mapping[str, Any], line: int, beside: Sequence[str]) -> Rollout:
    score = score_of(row.get("score"))
    answer = row.get("gts")
    return Rollout(
        line=line,
        step=_step(row),
        group=None,
        prompt=prompt_parts(row, "input")[0],
        text=completion_text(row, "output"),
        answer=None if answer is None else str(answer),
        scores={"score": score, **{name: score_of(row.get(name)) for name in beside}},
        reward=score,
        read=("input", "output", "gts"),
    )


def _of_verifiers(row: Mapping[str, Any], line: int) -> Rollout:
    prompt, turns = prompt_parts(row, "prompt")
    metrics = row.get("metrics")
    reward = score_of(row.get("reward"))
    scores = {str(name): score_of(value) for name, value in metrics.items()} if isinstance(metrics, Mapping) else {}
    if row.get("error"):
        reward = None  # a rollout that failed was scored 0, which is no reward of its own
    return Rollout(
        line=line,
        step=_step(row),
        group=f"example {row['example_id']}" if row.get("example_id") is not None else None,
        prompt=prompt,
        turns=turns,
        text=completion_text(row, "completion"),
        answer=str(row["answer"]) if row.get("answer") not in (None, "") else None,
        scores=scores or {"reward": reward},
        reward=reward,
        truncated=bool(row.get("is_truncated")),
        read=("example_id", "prompt", "completion", "reward", "metrics", "answer", "is_truncated", "error"),
    )


def _step(row: Mapping[str, Any]) -> int | None:
    step = number_of(row.get("step"))
    if step is None:
        if row.get("step") is not None:
            raise NotUsable(WhyLeftOut.NOT_A_NUMBER, "step")
        return None
    return int(step)


def _number_columns(rows: Rows) -> list[str]:
    """The columns in which every value is a number or missing, and some are numbers; of lists, every item."""
    columns: dict[str, bool | None] = dict.fromkeys(rows.columns)
    for row in rows.rows:
        for name, value in row.items():
            for item in value if isinstance(value, list) else [value]:
                if item is not None and columns[name] is not False:
                    columns[name] = isinstance(item, (int, float))
    return [name for name, numbers in columns.items() if numbers]
