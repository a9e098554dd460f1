"""What a comparison reads of each run: cost, chain of earlier runs, measurements and curves, from run folders alone.

Not here: which runs make a study (``members.py``), what the numbers say (``verdict.py``, ``tables.py``). A run of any algorithm can be
compared, finished or not: what it has not measured is None, and its curve is missing.

Seconds and tokens of a curve are those of the whole chain: a PPO run begins where its SFT and its reward model ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from lab.compare.curves import Curve, curves_of
from lab.core.algorithms import ALGORITHMS
from lab.core.intervals import wilson
from lab.core.recipes import Recipe, parse
from lab.errors import LabError, StateError
from lab.store.lines import is_number
from lab.store.run_folder import RunFolder
from lab.store.run_references import named_runs
from lab.store.runs import Run, RunState

LONGEST_CHAIN = 50


class Shelf(Protocol):
    """Where runs stand: a ``Store``, or a recorded study (``recorded.py``)."""

    def run(self, run_id: str) -> Run:
        """The run of that id. Raises StateError ``no_such_run``."""

    def folder(self, run_id: str) -> RunFolder:
        """Its folder."""


@dataclass(frozen=True)
class Measured:
    """One held-out number and what it rests on."""

    value: float
    n: int
    """Completions, or pairs, that it was measured on; 0 where the file does not say."""
    low: float | None = None
    high: float | None = None
    """The 95 % Wilson interval of a share; None of a mean, whose spread is not recorded."""


@dataclass(frozen=True)
class Stage:
    """One earlier run that a run stands on: its start, its reward model, or the run that its pairs come from."""

    run: str
    name: str
    algorithm: str
    state: RunState | None
    """None where the run is not here any more."""
    seconds: float | None
    pairs_read: int = 0
    peak_memory_bytes: int | None = None
    after: Mapping[str, Measured] = field(default_factory=dict)

    @property
    def is_reward_model(self) -> bool:
        """Whether it trained a model that scores."""
        return not ALGORITHMS[self.algorithm].writes_text


@dataclass(frozen=True)
class ComparedRun:
    """One run as a comparison sees it. Seconds, bytes and tokens; a KL in nats a completion."""

    run: str
    label: str
    name: str
    algorithm: str
    seed: int
    state: RunState
    recipe: dict[str, Any]
    steps: int
    """Steps taken so far."""
    steps_asked: int
    base: str = ""
    """The model at the root of its chain, by name; ``scratch`` where it was trained from nothing."""
    data: str = ""
    """The data that it read, by the recipe's name of it."""
    study: str = ""
    entry: str = ""
    chain: tuple[Stage, ...] = ()
    """Earlier runs, the first one first; each once, though several later ones use it."""
    seconds: float | None = None
    """Of this run alone, its worker's start and its measurements included."""
    tokens_generated: int | None = None
    tokens_trained: int | None = None
    peak_memory_bytes: int | None = None
    libraries_bytes: int | None = None
    """Of the peak, what the process held before it loaded anything."""
    roles: tuple[str, ...] = ()
    bases: int = 1
    """Models in memory; roles are adapters on them."""
    pairs_read: int = 0
    """Preferences that this run's steps read: steps × batch."""
    rules: tuple[str, ...] = ()
    """Rules with a weight; none where the reward is a model's alone."""
    reward_model: str = ""
    """The id of the run whose model rewards completions."""
    before: Mapping[str, Measured] = field(default_factory=dict)
    after: Mapping[str, Measured] = field(default_factory=dict)
    kl_from_start: float | None = None
    length: float | None = None
    """Tokens of a completion, over the last steps that wrote any."""
    entropy: float | None = None
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """By name; see ``curves.py``."""
    recorded: bool = False
    """Whether it was recorded elsewhere and ships with the lab."""

    @property
    def chain_seconds(self) -> float | None:
        """Of the whole chain; None where a part of it is not known."""
        parts = [*(stage.seconds for stage in self.chain), self.seconds]
        return None if any(part is None for part in parts) else sum(part for part in parts if part is not None)

    @property
    def pairs_of_chain(self) -> int:
        """Preferences that the whole chain read."""
        return self.pairs_read + sum(stage.pairs_read for stage in self.chain)

    @property
    def complete(self) -> bool:
        """Whether it took every step that was asked of it."""
        return self.state is RunState.FINISHED

    def gain(self, name: str = "pass_at_1") -> float | None:
        """After minus before; None where either was not measured."""
        if name not in self.before or name not in self.after:
            return None
        return self.after[name].value - self.before[name].value

    @property
    def peak_of_chain(self) -> int | None:
        """The most memory that any process of the chain held, in bytes; None where none is known."""
        peaks = [*(stage.peak_memory_bytes for stage in self.chain), self.peak_memory_bytes]
        return max((peak for peak in peaks if peak is not None), default=None)

    @property
    def samples(self) -> int:
        """Held-out completions behind its last pass@1; 0 where there is none."""
        return self.after["pass_at_1"].n if "pass_at_1" in self.after else 0


def compared(
    shelf: Shelf,
    run_ids: Iterable[str],
    *,
    study: str = "",
    entries: Mapping[str, tuple[str, str]] | None = None,
    recorded: bool = False,
) -> list[ComparedRun]:
    """Each run as a comparison sees it, in the order given.

    ``entries`` gives a run's study entry and label by its id; else its label is its name. Raises StateError ``no_such_run``.
    """
    known = entries or {}
    return [_compared(shelf, shelf.run(run_id), study, *known.get(run_id, ("", "")), recorded) for run_id in run_ids]


def _compared(shelf: Shelf, run: Run, study: str, entry: str, label: str, recorded: bool) -> ComparedRun:
    folder = shelf.folder(run.id)
    recipe, values = _parsed(run), run.recipe
    result = folder.result() if run.state.ended else None
    result = result if isinstance(result, dict) else {}
    spent = result or folder.heartbeat() or {}
    chain = chain_of(shelf, run)
    earlier = sum(stage.seconds or 0.0 for stage in chain)
    curves = curves_of(folder, seconds_before=earlier)
    before = _measured(result.get("before") or folder.before())
    return ComparedRun(
        run=run.id,
        label=label or run.name,
        name=run.name,
        algorithm=run.algorithm,
        seed=int(values.get("seed") or 0),
        state=run.state,
        recipe=values,
        steps=int(_number(spent.get("steps" if result else "step")) or 0),
        steps_asked=int(values.get("steps") or 0),
        base=root_of(shelf, str(values.get("model") or "")),
        data=str(values.get("dataset") or ""),
        study=study,
        entry=entry,
        chain=chain,
        seconds=_number(spent.get("seconds")),
        tokens_generated=_whole(spent.get("tokens_generated")),
        tokens_trained=_whole(spent.get("tokens_trained")),
        peak_memory_bytes=_whole(result.get("peak_memory_bytes")),
        libraries_bytes=_whole(result.get("libraries_bytes")),
        roles=recipe.roles if recipe else (),
        bases=recipe.bases_in_memory if recipe else 1,
        pairs_read=_pairs_read(run, _number(spent.get("steps" if result else "step"))),
        rules=_rules(recipe),
        reward_model=recipe.reward_run.removeprefix("run:") if recipe else "",
        before=before,
        after=_measured(result.get("after")),
        kl_from_start=_number(result.get("kl_from_start")),
        length=curves["length"].last_mean() if "length" in curves else None,
        entropy=curves["entropy"].last_mean() if "entropy" in curves else None,
        curves=curves,
        recorded=recorded,
    )


def chain_of(shelf: Shelf, run: Run) -> tuple[Stage, ...]:
    """The runs that a run stands on, the first one first, each once. One that is gone stands there without a state."""
    stages: dict[str, Stage] = {}

    def visit(recipe: Mapping[str, Any], depth: int) -> None:
        for run_id in _named_in_order(recipe):
            if run_id in stages or depth > LONGEST_CHAIN:
                continue
            try:
                earlier = shelf.run(run_id)
            except StateError:
                stages[run_id] = Stage(run_id, run_id, "", None, None)
                continue
            visit(earlier.recipe, depth + 1)
            result = shelf.folder(run_id).result()
            spent = result if isinstance(result, dict) else shelf.folder(run_id).heartbeat() or {}
            stages[run_id] = Stage(
                run_id,
                earlier.name,
                earlier.algorithm,
                earlier.state,
                _number(spent.get("seconds")),
                _pairs_read(earlier, _number(spent.get("steps", spent.get("step")))),
                _whole(spent.get("peak_memory_bytes")),
                _measured(spent.get("after")),
            )

    visit(run.recipe, 0)
    return tuple(stages.values())


def root_of(shelf: Shelf, model: str) -> str:
    """The name of the model that the chain of runs behind a model began with; where a run of it is gone, the last name that is known."""
    for _ in range(LONGEST_CHAIN):
        if not model.startswith("run:"):
            break
        try:
            model = str(shelf.run(model.removeprefix("run:").partition("@")[0]).recipe.get("model") or "")
        except StateError:
            break
    return model


def _named_in_order(recipe: Mapping[str, Any]) -> list[str]:
    """The runs that a recipe names: its start first, then its reward model, then its data."""
    first = [next(iter(named_runs({"": recipe.get(name)})), "") for name in ("model", "reward_model", "dataset")]
    return list(dict.fromkeys([run for run in first if run]))


def _parsed(run: Run) -> Recipe | None:
    try:
        return parse(run.recipe, run.name)
    except LabError:  # of another version of the lab: its numbers still count
        return None


def _rules(recipe: Recipe | None) -> tuple[str, ...]:
    if recipe is None or not recipe.rules_factor:
        return ()
    return tuple(use.name for use in recipe.rule_uses or () if use.weight)


def _pairs_read(run: Run, steps: float | None) -> int:
    algorithm = ALGORITHMS.get(run.algorithm)
    if algorithm is None or not algorithm.trains_on_pairs:
        return 0
    return int((steps or 0) * int(run.recipe.get("batch_size") or 0))


def _measured(values: object) -> dict[str, Measured]:
    """The numbers of one held-out measurement, each with its n; shares with their interval."""
    if not isinstance(values, dict):
        return {}
    n = int(_number(values.get("samples")) or 0)
    measured = {}
    for name, value in values.items():
        if name in ("samples", "agreement_pairs") or not is_number(value):
            continue
        count = int(_number(values.get("agreement_pairs")) or 0) if name == "agreement" else n
        is_share = name in SHARES or name.startswith("accuracy/")
        of_part = name.startswith("accuracy/")  # of a category, whose own count is not recorded
        low, high = wilson(value * count, count) if is_share and count and not of_part else (None, None)
        measured[name] = Measured(float(value), 0 if of_part else count, low, high)
    return measured


SHARES = frozenset({"pass_at_1", "pair_accuracy", "agreement"})
"""Held-out numbers that are shares of counted things."""


def _number(value: object) -> float | None:
    return float(value) if is_number(value) else None  # type: ignore[arg-type]


def _whole(value: object) -> int | None:
    return int(value) if is_number(value) else None  # type: ignore[call-overload]
