"""What a comparison may say: differences paired by seed, and the sentences that they support, no more.

Runs that differ in nothing but their seed are one *group*. Two groups are compared by held-out pass@1 at the end, seed by seed, with the
paired t interval (95 %, ``core/intervals.py``); where they share one seed alone, by Newcombe's interval of two shares, which knows of
sampling noise within a run and of nothing else, and says so. A verdict names a difference only where its interval leaves zero out.

Not here: the words (``lab/words/*/compared.toml``), the course's tables (``tables.py``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from statistics import fmean

import numpy as np

from lab.compare.phrases import Phrase, count, figure, plain, points
from lab.compare.runs import ComparedRun
from lab.core.algorithms import ALGORITHMS, Algorithm
from lab.core.intervals import FEW, MeanInterval, mean_t_interval, paired_difference, share_difference

PASS = "pass_at_1"
NOT_OF_A_GROUP = frozenset({"seed", "name", "about_en", "about_zh", "save_every"})
ROSE_BY = 0.1
"""A reward has risen where it rose by this share of what it began with, in every seed."""
LEAST_RISE = 0.01
TWICE = 2.0
"""How many times as far another group's KL must be before it is said."""
MOST_HACKED = 2
"""Groups that hacked their rewards of which each has a sentence of its own."""
ENDS = 10
"""Steps of training at either end that a reward is averaged over."""


class Standing(StrEnum):
    """What a difference lets one say."""

    DISTINGUISHABLE = "distinguishable"
    NOT_DISTINGUISHABLE = "not_distinguishable"
    EQUAL = "equal"
    """The same numbers in every seed, not only close ones."""
    FEW_SAMPLES = "few_samples"
    """Under 30 held-out completions in a run."""
    ONE_SEED = "one_seed"
    """One seed in common: its interval is of sampling alone, and says nothing of other seeds."""
    NOT_MEASURED = "not_measured"


@dataclass(frozen=True)
class Group:
    """Runs of one recipe for several seeds, by seed."""

    label: str
    algorithm: str
    runs: Mapping[int, ComparedRun] = field(repr=False)

    @property
    def kind(self) -> Algorithm:
        """Its algorithm's descriptor."""
        return ALGORITHMS[self.algorithm]

    @property
    def named(self) -> Phrase:
        """Its label, as it stands in a sentence."""
        return plain(self.label)

    @property
    def first(self) -> ComparedRun:
        """One of its runs, for what all of them have in common."""
        return next(iter(self.runs.values()))

    def values(self, name: str = PASS) -> dict[int, float]:
        """A held-out number at the end, by seed, of the runs that have it."""
        return {seed: run.after[name].value for seed, run in self.runs.items() if name in run.after}

    def mean(self, name: str = PASS) -> float | None:
        """The mean of that over the seeds; None where no run has it."""
        values = self.values(name)
        return fmean(values.values()) if values else None

    def gains(self) -> list[float]:
        """After minus before of pass@1, of the runs that have both."""
        return [gain for run in self.runs.values() if (gain := run.gain()) is not None]

    def samples(self) -> list[int]:
        """Held-out completions behind pass@1, of each run that has it."""
        return [run.samples for run in self.runs.values() if PASS in run.after]

    def kl(self) -> float | None:
        """The mean KL from the start in nats a completion; None where it was not measured."""
        values = [run.kl_from_start for run in self.runs.values() if run.kl_from_start is not None]
        return fmean(values) if values else None


@dataclass(frozen=True)
class Difference:
    """Held-out pass@1 of one group minus that of another, paired by seed."""

    one: Group
    other: Group
    interval: MeanInterval | None
    """Of shares, not points; None where there is nothing to compare."""
    standing: Standing

    @property
    def sentence(self) -> Phrase:
        """What it lets one say, in a few words."""
        n = min((*self.one.samples(), *self.other.samples()), default=0)
        return Phrase(f"compared.standing.{self.standing}", {"least": FEW, "n": n})


def groups_of(runs: Sequence[ComparedRun]) -> list[Group]:
    """The runs by entry of their study, else by what their recipes say besides the seed; in the order of first appearance."""
    by_key: dict[str, list[ComparedRun]] = {}
    for run in runs:
        by_key.setdefault(run.entry or _key(run), []).append(run)
    groups = [Group(some[0].label, some[0].algorithm, {run.seed: run for run in some}) for some in by_key.values()]
    labels = [group.label for group in groups]
    return [
        Group(f"{group.label} ({group.first.run[-4:]})", group.algorithm, group.runs)
        if labels.count(group.label) > 1
        else group
        for group in groups
    ]


def policies(groups: Sequence[Group]) -> list[Group]:
    """Those whose models write text; a reward model has no pass@1."""
    return [group for group in groups if group.algorithm not in ALGORITHMS or ALGORITHMS[group.algorithm].writes_text]


def difference(one: Group, other: Group) -> Difference:
    """How far two groups lie apart, and what may be said of it."""
    first, second = one.values(), other.values()
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return Difference(one, other, None, Standing.NOT_MEASURED)
    a, b = [first[seed] for seed in seeds], [second[seed] for seed in seeds]
    if len(seeds) == 1:
        interval = _of_one_seed(one.runs[seeds[0]], other.runs[seeds[0]])
    else:
        interval = paired_difference(a, b)
    if min((*one.samples(), *other.samples())) < FEW:
        return Difference(one, other, interval, Standing.FEW_SAMPLES)
    if all(_same(one.runs[seed], other.runs[seed]) for seed in seeds):
        return Difference(one, other, interval, Standing.EQUAL)
    if not interval.excludes_zero:
        return Difference(one, other, interval, Standing.NOT_DISTINGUISHABLE)
    return Difference(one, other, interval, Standing.DISTINGUISHABLE if len(seeds) > 1 else Standing.ONE_SEED)


def differences(groups: Sequence[Group]) -> list[Difference]:
    """Every two groups that have a pass@1, the better one first; the largest difference last."""
    ranked = sorted((group for group in groups if group.mean() is not None), key=lambda g: -(g.mean() or 0.0))
    pairs = [difference(one, other) for one, other in combinations(ranked, 2)]
    return sorted(pairs, key=lambda pair: pair.interval.mean if pair.interval else 0.0)


def optimised_reward(run: ComparedRun) -> tuple[float, float] | None:
    """The reward that a run optimised, at its start and at its end; of one that samples nothing the held-out reward. None if unknown."""
    if "train_reward" in run.curves:
        values = run.curves["train_reward"].value
        values = values[np.isfinite(values)]
        if values.size >= 2:
            size = min(ENDS, values.size // 2)
            return float(values[:size].mean()), float(values[-size:].mean())
    if "reward" in run.before and "reward" in run.after:
        return run.before["reward"].value, run.after["reward"].value
    return None


def hacked(group: Group) -> bool:
    """Whether what was paid rose in every seed while held-out pass@1 did not rise: the sign of a hacked reward."""
    rewards = [optimised_reward(run) for run in group.runs.values()]
    gains = group.gains()
    if not gains or len(gains) != len(group.runs) or any(reward is None for reward in rewards):
        return False
    rises = [end - start >= max(LEAST_RISE, ROSE_BY * abs(start)) for start, end in (r for r in rewards if r)]
    return all(rises) and fmean(gains) <= 0


def verdict(runs: Sequence[ComparedRun]) -> list[Phrase]:
    """The sentences that stand above a comparison, the most important one first; never empty."""
    groups = [group for group in policies(groups_of(runs)) if group.mean() is not None]
    groups = [group for group in groups if group.algorithm not in ("sft", "pretrain")] or groups
    if not groups:
        return [Phrase("compared.verdict.nothing_measured")]
    few = min(n for group in groups for n in group.samples())
    if few < FEW:
        return [Phrase("compared.verdict.few_samples", {"n": few, "least": FEW})]
    bad = [group for group in groups if hacked(group)]
    several = Phrase("compared.verdict.hacked_several", {"names": [group.named for group in bad]})
    said = [several] if len(bad) > MOST_HACKED else [_hacked_sentence(group) for group in bad]
    honest = [group for group in groups if group not in bad]
    return [*said, *_ranking(honest), *_drift(honest)] or said


def _ranking(groups: Sequence[Group]) -> list[Phrase]:
    if not groups:
        return []
    ranked = sorted(groups, key=lambda group: -(group.mean() or 0.0))
    best, rest = ranked[0], ranked[1:]
    if not rest:
        return [_alone(best)]
    pairs = [difference(best, other) for other in rest]
    level = [best, *(p.other for p in pairs if p.standing in (Standing.NOT_DISTINGUISHABLE, Standing.EQUAL))]
    behind = [p for p in pairs if p.standing in (Standing.DISTINGUISHABLE, Standing.ONE_SEED)]
    names = [group.named for group in level]
    if len(level) > 1 and all(p.standing is Standing.EQUAL for p in pairs if p.other in level):
        said = [Phrase("compared.verdict.equal", {"names": names})]
    elif len(level) > 1:
        said = [Phrase("compared.verdict.level", {"names": names})]
    else:
        said = [Phrase("compared.verdict.leads", {"name": best.named, "value": points(best.mean() or 0.0)})]
    said += [_behind(pair, level) for pair in behind]
    if any(p.standing is Standing.ONE_SEED for p in pairs) or not any(len(group.runs) > 1 for group in groups):
        said.append(Phrase("compared.verdict.one_seed"))
    return said


def _alone(group: Group) -> Phrase:
    gains = group.gains()
    if len(gains) < 2:
        return Phrase("compared.verdict.alone", {"name": group.named, "value": points(group.mean() or 0.0)})
    gain = mean_t_interval(gains)
    key = "gained" if gain.low > 0 else "lost" if gain.high < 0 else "no_gain"
    return Phrase(f"compared.verdict.{key}", {"name": group.named, "low": points(gain.low), "high": points(gain.high)})


def _behind(pair: Difference, level: Sequence[Group]) -> Phrase:
    """How far a group lies behind each of those that lead."""
    gaps = [gap.interval.mean for one in level if (gap := difference(one, pair.other)).interval is not None]
    low, high = f"{100 * min(gaps):.0f}", f"{100 * max(gaps):.0f}"
    params = {"name": pair.other.named, "low": low, "high": high}
    return Phrase("compared.verdict.behind_by" if low == high else "compared.verdict.behind", params)


def _drift(groups: Sequence[Group]) -> list[Phrase]:
    """The group whose KL is more than twice that of each other one."""
    drifts = sorted(((kl, group) for group in groups if (kl := group.kl()) is not None), key=lambda each: -each[0])
    if len(drifts) < 2 or drifts[1][0] <= 0 or drifts[0][0] < TWICE * drifts[1][0]:
        return []
    (far, group), (near, _) = drifts[0], drifts[1]
    return [Phrase("compared.verdict.drifts", {"name": group.named, "kl": figure(far), "others": figure(near)})]


def _hacked_sentence(group: Group) -> Phrase:
    rewards = [reward for run in group.runs.values() if (reward := optimised_reward(run)) is not None]
    before = fmean(run.before[PASS].value for run in group.runs.values())
    params = {
        "name": group.named,
        "start": figure(fmean(start for start, _ in rewards)),
        "end": figure(fmean(end for _, end in rewards)),
        "before": points(before),
        "after": points(group.mean() or 0.0),
    }
    return Phrase("compared.verdict.hacked", params)


def rests_on(runs: Sequence[ComparedRun]) -> Phrase:
    """What the verdict rests on: held-out completions a run and seeds a group."""
    groups = [group for group in policies(groups_of(runs)) if group.mean() is not None]
    samples = sorted({n for group in groups for n in group.samples()})
    seeds = sorted({len(group.runs) for group in groups})
    spans = [
        f"{count(each[0])}" if len(each) == 1 else f"{count(each[0])}–{count(each[-1])}"
        for each in (samples or [0], seeds or [0])
    ]
    return Phrase("compared.rests_on", {"samples": spans[0], "seeds": spans[1]})


def _of_one_seed(one: ComparedRun, other: ComparedRun) -> MeanInterval:
    a, b = one.after[PASS], other.after[PASS]
    mean, low, high = share_difference(a.value * a.n, a.n, b.value * b.n, b.n)
    return MeanInterval(mean, low, high, 1)


def _same(one: ComparedRun, other: ComparedRun) -> bool:
    """Whether two runs came to the same numbers in everything that was measured at their ends."""
    return one.kl_from_start == other.kl_from_start and {k: m.value for k, m in one.after.items()} == {
        k: m.value for k, m in other.after.items()
    }


def _key(run: ComparedRun) -> str:
    """A recipe without its seed, and without the names of the runs that it starts from, which differ by seed too."""
    values = {name: value for name, value in run.recipe.items() if name not in NOT_OF_A_GROUP}
    for name in ("model", "reward_model", "dataset"):
        if str(values.get(name) or "").startswith(("run:", "groups:")):
            values[name] = str(values[name]).partition(":")[0]
    return json.dumps(values, sort_keys=True)
