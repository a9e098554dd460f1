"""The two tables of the course, with a measurement beside each claim: *Key comparison* and *What it takes*.

A cell holds what the course says (in quotes), what the chosen runs did (bold), what that rests on, and whether both agree: ✓, or ≠ with
a sentence, or – where these runs do not test it. Every number comes from the files of a run folder, by way of ``ComparedRun``.

Not here: the words (``lab/words/*/compared.toml``), layout, other algorithms than those of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from lab.compare.phrases import Phrase, count, figure, plain, points
from lab.compare.runs import ComparedRun, Measured
from lab.compare.verdict import Group, Standing, difference, groups_of
from lab.core.intervals import mean_t_interval
from lab.core.recipes import EQUATIONS

IN_TABLES = ("ppo", "dpo", "grpo")
"""The algorithms of the course's tables, in its order."""
CLAIMED_STAGES = {"ppo": 4, "dpo": 3, "grpo": 2}
CLAIMED_PREFERENCES = {"ppo": 100_000, "dpo": 10_000}
AS_MUCH = 2.0
"""Pairs within this factor of the claim count as what the course says."""
NEARLY = 1.05
"""A cost must be lower by so much before it is called lower."""
MATHEMATICS = (EQUATIONS, "gsm8k")
"""Data that are known to be mathematics, by a part of their name."""


class Mark(StrEnum):
    """Whether claim and measurement agree."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNTESTED = "untested"


@dataclass(frozen=True)
class Cell:
    """One claim and what was measured."""

    claim: Phrase
    measured: Phrase
    detail: Phrase
    mark: Mark
    sentence: Phrase


@dataclass(frozen=True)
class Row:
    """One group of runs and its cells, in the order of the columns."""

    group: Group
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """One table of the course."""

    name: str
    title: Phrase
    columns: tuple[Phrase, ...]
    rows: tuple[Row, ...]


Maker = Callable[[Phrase, Group, Sequence[Group]], Cell]
"""Makes one cell: of a claim, a group of runs, and all groups that are compared."""


def course_tables(runs: Sequence[ComparedRun]) -> tuple[Table, Table]:
    """Both tables for the finished runs of PPO, DPO and GRPO among ``runs``; without rows where there are none."""
    groups = [group for group in groups_of([run for run in runs if run.complete]) if group.algorithm in IN_TABLES]
    groups.sort(key=lambda group: IN_TABLES.index(group.algorithm))
    key = {"reward_model": _reward_model, "objective": _objective, "cost": _cost, "fits": _fits}
    takes = {"stages": _stages, "complexity": _complexity, "data": _data}
    return _table("key", key, groups), _table("takes", takes, groups)


def _table(name: str, makers: Mapping[str, Maker], groups: Sequence[Group]) -> Table:
    rows = []
    for group in groups:
        claims = {column: Phrase(f"compared.claim.{group.algorithm}_{column}") for column in makers}
        rows.append(Row(group, tuple(make(claims[column], group, groups) for column, make in makers.items())))
    columns = tuple(Phrase(f"compared.column.{column}") for column in makers)
    return Table(name, Phrase(f"compared.table.{name}"), columns, tuple(rows))


def differing(tables: Sequence[Table]) -> tuple[int, int]:
    """How many cells differ from what the course says, of how many."""
    cells = [cell for table in tables for row in table.rows for cell in row.cells]
    return sum(cell.mark is Mark.DIFFERS for cell in cells), len(cells)


# ---- key comparison


def _reward_model(claim: Phrase, group: Group, _all: Sequence[Group]) -> Cell:
    trained = [stage for run in group.runs.values() for stage in run.chain if stage.is_reward_model]
    if not trained:
        rules = len(group.first.rules)
        measured = Phrase("compared.none_but_rules", {"rules": rules}) if rules else Phrase("compared.none")
        if group.kind.needs_reward_model:
            return _differs(claim, measured, _in_memory(group), "ppo_without", {"rules": rules})
        return _agrees(claim, measured, _in_memory(group))
    pairs = [stage.after["pair_accuracy"] for stage in trained if "pair_accuracy" in stage.after]
    detail = _spread_of_shares(pairs) if pairs else Phrase("compared.not_measured")
    measured = Phrase("compared.one_trained_first")
    if group.kind.needs_reward_model:
        return _agrees(claim, measured, detail)
    return _differs(claim, measured, detail, "reads_a_reward_model")


def _objective(claim: Phrase, group: Group, _all: Sequence[Group]) -> Cell:
    before = [run.before["reward"].value for run in group.runs.values() if "reward" in run.before]
    after = list(group.values("reward").values())
    if not before or not after:
        return _untested(claim, "not_measured")
    start, end = fmean(before), fmean(after)
    measured = Phrase("compared.reward", {"start": figure(start), "end": figure(end)})
    kl, n = group.kl(), min(group.samples(), default=0)
    spread = figure(end) if len(after) == 1 else f"{figure(min(after))} – {figure(max(after))}"
    params = {"kl": "?" if kl is None else figure(kl), "spread": spread, "seeds": len(after), "n": count(n)}
    detail = Phrase("compared.reward_detail", params)
    if end <= start:
        return _differs(claim, measured, detail, "reward_did_not_rise")
    unseen = group.kind.needs_reward_model and not group.first.rules
    return Cell(
        claim,
        measured,
        detail,
        Mark.AGREES,
        Phrase("compared.cell.agrees_unseen" if unseen else "compared.cell.agrees"),
    )


def _cost(claim: Phrase, group: Group, every: Sequence[Group]) -> Cell:
    whole = _mean(group, lambda run: run.chain_seconds)
    if whole is None:
        return _untested(claim, "not_measured")
    stages = _stage_seconds(group)
    parts = " + ".join(count(seconds) for _, seconds in stages)
    measured = Phrase("compared.seconds_of", {"whole": count(whole), "parts": parts})
    names = [Phrase(f"compared.stage.{name}") for name, _ in stages]
    peak = max((run.peak_of_chain or 0 for run in group.runs.values()), default=0)
    detail = Phrase("compared.cost_detail", {"stages": names, "peak": count(peak / 1e6)})
    sentence = _cost_differs(group, whole, every)
    return Cell(claim, measured, detail, Mark.DIFFERS, sentence) if sentence else _agrees(claim, measured, detail)


def _cost_differs(group: Group, whole: float, every: Sequence[Group]) -> Phrase | None:
    """Why the cost is not as the course says: its order is PPO, DPO, GRPO, the dearest first."""
    rank = IN_TABLES.index(group.algorithm)
    others = [(other, cost) for other in every if (cost := _mean(other, lambda run: run.chain_seconds)) is not None]
    dearer = [other for other, cost in others if IN_TABLES.index(other.algorithm) > rank and cost > whole * NEARLY]
    cheaper = [other for other, cost in others if IN_TABLES.index(other.algorithm) < rank and cost * NEARLY < whole]
    if dearer or cheaper:
        names = [other.named for other in (dearer or cheaper)]
        return Phrase("compared.cell.cheaper_than" if dearer else "compared.cell.dearer_than", {"names": names})
    own = _mean(group, lambda run: run.seconds)
    rest = [(other, _mean(other, lambda run: run.seconds)) for other in every if other.algorithm != group.algorithm]
    if own is None or not rest or any(seconds is None for _, seconds in rest):
        return None
    if group.kind.needs_reward_model:
        beaten = [
            (other, s) for other, s in rest if other.kind.has_group_baseline and s is not None and own <= s * NEARLY
        ]
        if beaten:
            other, seconds = beaten[0]
            params = {"other": other.named, "own": count(own), "seconds": count(seconds or 0)}
            return Phrase("compared.cell.own_stage_no_more", params)
    if group.kind.trains_on_pairs and all(seconds is not None and own > seconds * NEARLY for _, seconds in rest):
        peaks = [_peak(other) for other, _ in rest]
        key = "longest_and_peaks" if _peak(group) > max(peaks) else "longest"
        return Phrase(f"compared.cell.{key}")
    return None


def _fits(claim: Phrase, group: Group, every: Sequence[Group]) -> Cell:
    gains = group.gains()
    if not gains:
        return _untested(claim, "not_measured")
    gain = mean_t_interval(gains)
    value = points(gain.mean, signed=True)
    known = len(gains) > 1
    key = "compared.gain_interval" if known else "compared.gain"
    measured = Phrase(key, {"gain": value, "half": points(gain.half) if known else ""})
    detail = Phrase("compared.fits_detail", {"data": _data_name(group), "seeds": len(gains)})
    if not _is_mathematics(group):
        return Cell(claim, measured, detail, Mark.UNTESTED, Phrase("compared.cell.other_data"))
    if group.kind.needs_reward_model:
        return Cell(claim, measured, detail, Mark.UNTESTED, Phrase("compared.cell.no_dialogue"))
    sentence = _dpo_behind(group, every) if group.kind.trains_on_pairs else _ppo_as_well(group, every)
    return Cell(claim, measured, detail, Mark.DIFFERS, sentence) if sentence else _agrees(claim, measured, detail)


def _dpo_behind(group: Group, every: Sequence[Group]) -> Phrase | None:
    """Where DPO gains least though every answer is clear: how far it lies behind the best."""
    others = [other for other in every if not other.kind.trains_on_pairs and other.mean() is not None]
    if not others:
        return None
    best = max(others, key=lambda other: other.mean() or 0.0)
    gap = difference(best, group)
    if gap.standing is not Standing.DISTINGUISHABLE or gap.interval is None or gap.interval.mean <= 0:
        return None
    if any((other.mean() or 0.0) <= (group.mean() or 0.0) for other in others):
        return None
    params = {"gap": points(gap.interval.mean), "half": points(gap.interval.half), "best": best.named}
    return Phrase("compared.cell.gains_least", params)


def _ppo_as_well(group: Group, every: Sequence[Group]) -> Phrase | None:
    """Where PPO does as well as this GRPO, or better: their difference."""
    for other in every:
        gap = difference(group, other) if other.kind.needs_reward_model else None
        if gap is None or gap.interval is None:
            continue
        if gap.standing in (Standing.NOT_DISTINGUISHABLE, Standing.EQUAL):
            params = {"gap": points(abs(gap.interval.mean)), "half": points(gap.interval.half)}
            return Phrase("compared.cell.so_does_ppo", params)
        if gap.standing is Standing.DISTINGUISHABLE and gap.interval.mean < 0:
            return Phrase(
                "compared.cell.ppo_better", {"gap": points(-gap.interval.mean), "half": points(gap.interval.half)}
            )
    return None


# ---- what it takes


def _stages(claim: Phrase, group: Group, _all: Sequence[Group]) -> Cell:
    run = group.first
    ran = [stage.algorithm for stage in run.chain] + [run.algorithm]
    shipped = "pretrain" not in ran and run.base != "scratch"
    measured = Phrase("compared.stages_shipped" if shipped else "compared.stages_run", {"ran": len(ran)})
    detail = Phrase("compared.pretraining_came" if shipped else "compared.pretraining_ran")
    stages = len(ran) + shipped
    if stages == CLAIMED_STAGES[group.algorithm]:
        return _agrees(claim, measured, detail)
    if group.kind.has_group_baseline and "sft" in ran:
        return _differs(claim, measured, detail, "two_as_one")
    params = {"count": stages, "claimed": CLAIMED_STAGES[group.algorithm]}
    return _differs(claim, measured, detail, "other_stages", params)


def _complexity(claim: Phrase, group: Group, every: Sequence[Group]) -> Cell:
    run = group.first
    params = {"roles": len(run.roles), "bases": run.bases, "peak": count(_peak(group) / 1e6)}
    measured = Phrase("compared.roles" if len(run.roles) != 1 else "compared.role", params)
    generated, trained = (_mean(group, get) or 0 for get in (lambda r: r.tokens_generated, lambda r: r.tokens_trained))
    detail = Phrase("compared.tokens", {"generated": count(generated), "trained": count(trained)})
    lower = [other for other in every if other.kind.trains_on_pairs and 0 < _peak(group) * NEARLY < _peak(other)]
    if group.kind.needs_reward_model and run.bases == 1 and lower:
        return _differs(claim, measured, detail, "one_network", {"other": lower[0].named})
    return _agrees(claim, measured, detail)


def _data(claim: Phrase, group: Group, _all: Sequence[Group]) -> Cell:
    run = group.first
    pairs = run.pairs_of_chain
    if group.kind.has_group_baseline:
        measured = Phrase("compared.rules_and_pairs", {"rules": len(run.rules), "pairs": count(pairs)})
        key = "made_by_lab" if run.data == EQUATIONS else "from_data"
        detail = Phrase(f"compared.{key}", {"data": run.data})
        if pairs:
            return _differs(claim, measured, detail, "read_pairs")
        return _agrees(claim, measured, detail)
    measured = Phrase("compared.pairs_read", {"pairs": count(pairs)})
    by_model = group.kind.needs_reward_model and pairs
    detail = (
        Phrase("compared.by_reward_model" if by_model else "compared.by_itself")
        if pairs
        else Phrase("compared.by_rules")
    )
    claimed = CLAIMED_PREFERENCES[group.algorithm]
    if not pairs:
        return _differs(claim, measured, detail, "no_pairs")
    if claimed / AS_MUCH <= pairs <= claimed * AS_MUCH:
        return _agrees(claim, measured, detail)
    if pairs < claimed:
        params = {"part": round(claimed / pairs)}
        return _differs(claim, measured, detail, "a_part", params)
    return _differs(claim, measured, detail, "times_more", {"times": round(pairs / claimed)})


# ---- inside


def _agrees(claim: Phrase, measured: Phrase, detail: Phrase) -> Cell:
    return Cell(claim, measured, detail, Mark.AGREES, Phrase("compared.cell.agrees"))


def _differs(
    claim: Phrase, measured: Phrase, detail: Phrase, key: str, params: Mapping[str, object] | None = None
) -> Cell:
    return Cell(claim, measured, detail, Mark.DIFFERS, Phrase(f"compared.cell.{key}", params or {}))


def _untested(claim: Phrase, key: str) -> Cell:
    return Cell(claim, plain("–"), plain(""), Mark.UNTESTED, Phrase(f"compared.cell.{key}"))


def _in_memory(group: Group) -> Phrase:
    run = group.first
    roles = [Phrase(f"compared.role_name.{role}") for role in run.roles]
    return Phrase(
        "compared.in_memory" if run.bases == 1 else "compared.in_memory_many", {"roles": roles, "bases": run.bases}
    )


def _spread_of_shares(shares: Sequence[Measured]) -> Phrase:
    """Pair accuracy over the seeds: mean, lowest and highest; of one seed its 95 % interval."""
    values = [share.value for share in shares]
    low, high = (shares[0].low, shares[0].high) if len(shares) == 1 else (min(values), max(values))
    params = {
        "mean": points(fmean(values)),
        "low": points(low or 0),
        "high": points(high or 0),
        "n": count(shares[0].n),
    }
    return Phrase("compared.pairs_right", params)


def _stage_seconds(group: Group) -> list[tuple[str, float]]:
    """The algorithm and the mean seconds of each stage of the chain, this one last."""
    chains = [
        [*((s.algorithm or "unknown", s.seconds) for s in run.chain), (run.algorithm, run.seconds)]
        for run in group.runs.values()
    ]
    first = chains[0]
    same = [chain for chain in chains if [name for name, _ in chain] == [name for name, _ in first]]
    return [(name, fmean(chain[place][1] or 0.0 for chain in same)) for place, (name, _) in enumerate(first)]


def _mean(group: Group, get: Callable[[ComparedRun], float | None]) -> float | None:
    values = [get(run) for run in group.runs.values()]
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _peak(group: Group) -> int:
    return max((run.peak_memory_bytes or 0 for run in group.runs.values()), default=0)


def _is_mathematics(group: Group) -> bool:
    return group.first.base == "tiny" or any(part in group.first.data for part in MATHEMATICS)


def _data_name(group: Group) -> Phrase:
    data = group.first.data
    return Phrase("compared.equations_only") if data == EQUATIONS else plain(data)
