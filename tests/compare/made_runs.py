"""Run folders with known numbers, written through the real store and the real writers, for tests that compare runs."""

from __future__ import annotations

from typing import Any

from lab.core.recipes import parse
from lab.store.run_folder import RunFolder
from lab.store.runs import Run, RunState, Store

START = 1_790_000_000.0


def made_run(
    store: Store,
    algorithm: str = "grpo",
    *,
    seed: int = 1,
    before: float = 0.5,
    after: float | None = 0.8,
    reward: tuple[float, float] = (1.5, 2.5),
    train_reward: tuple[float, float] | None = None,
    samples: int = 1024,
    seconds: float = 30.0,
    steps: int = 40,
    kl: float | None = 1.5,
    peak: int = 650_000_000,
    state: RunState = RunState.FINISHED,
    **changes: Any,
) -> Run:
    """A run of ``algorithm``: measured before, in the middle and after, with metrics of each step; ``after`` None is unmeasured."""
    values = {"algorithm": algorithm, "seed": seed, "steps": steps, "name": f"{algorithm} {seed}", "save_every": 10}
    run = store.create_run(parse(values | changes), dataset_hash="sha256:made")
    folder = store.folder(run.id)
    rewards = algorithm == "rm"
    write_lines(folder, algorithm, before, after, reward, train_reward or reward, samples, seconds, steps, kl)
    tokens = {"tokens_generated": 1000 * seed if algorithm in ("grpo", "ppo") else 0, "tokens_trained": 500 * seed}
    beat = {"pid": 1, "time": START + seconds, "seconds": seconds, "step": steps, "steps": steps, "stage": "saving"}
    folder.write("heartbeat", {**beat, **tokens})
    if state.ended:
        measured = (
            (lambda p, r: {"pair_accuracy": p, "samples": samples})
            if rewards
            else (lambda p, r: {"pass_at_1": p, "reward": r, "samples": samples})
        )
        result = {
            "state": state.value,
            "error": None,
            "before": measured(before, reward[0]),
            "after": None if after is None else measured(after, reward[1]),
            "seconds": seconds,
            "steps": steps,
            "peak_memory_bytes": peak,
            "libraries_bytes": 300_000_000,
            "kl_from_start": kl,
            **tokens,
        }
        folder.write("result.json", result)
    store.change(run.id, state=state, started=START, ended=START + seconds if state.ended else None)
    return store.run(run.id)


def write_lines(
    folder: RunFolder,
    algorithm: str,
    before: float,
    after: float | None,
    reward: tuple[float, float],
    train_reward: tuple[float, float],
    samples: int,
    seconds: float,
    steps: int,
    kl: float | None,
) -> None:
    def held_out(step: int, at: float, share: float, paid: float, **more: float) -> None:
        measured = {"pass_at_1": share, "reward": paid, "samples": samples, **more}
        if algorithm == "rm":
            measured = {"pair_accuracy": share, "samples": samples}
        folder.append("metrics", {"step": step, "time": START + at, "seconds": 1.0, "held_out": measured})

    held_out(0, 2.0, before, reward[0])
    each = (seconds - 4) / steps
    for step in range(1, steps + 1):
        paid = train_reward[0] + (train_reward[1] - train_reward[0]) * step / steps
        line = {"step": step, "time": START + 2 + each * step, "seconds": each, "loss": 1 / step, "entropy": 0.5}
        line |= {"tokens_generated": 25 * step, "tokens_trained": 10 * step}
        if algorithm in ("grpo", "ppo"):
            line |= {"reward": paid, "kl": 0.01 * step, "completion_tokens": 12.0}
        folder.append("metrics", line)
        if step == steps // 2 and after is not None:
            held_out(step, 2 + each * step, (before + after) / 2, sum(reward) / 2, kl_from_start=(kl or 0) / 2)
    if after is not None:
        held_out(steps, seconds - 1, after, reward[1])


def course(store: Store, seeds: tuple[int, ...] = (1, 2, 3)) -> dict[str, list[Run]]:
    """A course of known numbers: SFT, RM, DPO, PPO on the reward model, GRPO; the same gaps in every seed but for a little."""
    runs: dict[str, list[Run]] = {name: [] for name in ("sft", "rm", "dpo", "ppo", "grpo")}
    for seed in seeds:
        shift = 0.01 * seed
        sft = made_run(store, "sft", seed=seed, before=0.5, after=0.55 + shift, seconds=15, kl=0.1, steps=60)
        start = {"model": f"run:{sft.id}", "seed": seed}
        rm = made_run(store, "rm", after=0.94, samples=1000, seconds=55, kl=None, steps=240, peak=930_000_000, **start)
        common = {"before": 0.55 + shift, "reward": (1.87, 2.7)}
        dpo = made_run(
            store, "dpo", after=0.77 + shift, seconds=46, kl=3.5, steps=200, peak=790_000_000, **common, **start
        )
        paid = {"reward_model": f"run:{rm.id}", "rules_weight": 0.0, "group_size": 2}
        ppo = made_run(
            store, "ppo", after=0.86 + 2 * shift, seconds=31, kl=1.5, peak=720_000_000, **paid, **common, **start
        )
        grpo = made_run(store, "grpo", after=0.88 + shift / 2, seconds=32, kl=1.4, **common, **start)
        for name, run in (("sft", sft), ("rm", rm), ("dpo", dpo), ("ppo", ppo), ("grpo", grpo)):
            runs[name].append(run)
    return runs
