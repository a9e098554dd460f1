"""N processes with a part of each step's rows each make the update of one process with all of them, for every algorithm that shares rows.

The processes are real ones that talk over gloo. They are forked here, and not started by torchrun, which ``worker/test_torchrun.py`` tests:
what is compared is arithmetic, and loading the libraries anew would take longer than all of it. Where completions are sampled, they are given:
two processes draw other random numbers than one.
"""

from __future__ import annotations

import json
import os
import random
import socket
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from lab.store.run_folder import RunFolder
from lab.training.trainers.group_trainer import GroupTrainer
from lab.training.worker import team
from tests.training.algorithms.conftest import SIBLINGS, make_task, rows_of  # noqa: F401

pytestmark = pytest.mark.train

SETTINGS = {
    "steps": 3,
    "batch_size": 8,
    "micro_batch_size": 4,
    "learning_rate": 1e-2,
    "schedule": "constant",
}
GROUPS = {"group_size": 4, "batch_size": 16, "iterations": 2}
CASES: dict[str, dict[str, Any]] = {
    "sft": {},
    "rm": {},
    "dpo": {},
    "grpo-all": GROUPS,
    "grpo-above_mean": GROUPS | {"threshold": {"kind": "above_mean"}, "skip_no_spread": True},
    "grpo-above_mean-grpo": GROUPS | {"threshold": {"kind": "above_mean"}, "loss_type": "grpo", "beta": 0.0},
    "ppo-own": GROUPS | {"critic": "own"},
    "ppo-trunk": GROUPS | {"critic": "trunk"},
}
OF_GIVEN_TEXTS = {"completion_tokens", "truncated_share", "reward_share"}
"""What trl measures while it generates, which is not done here, and the share of a time."""
NOT_COMPARED = ("time", "seconds", "tokens_per_second", "reward_seconds", "reward_share")


@pytest.mark.parametrize("case", CASES)
def test_two_processes_update_as_one_does(make_task, tmp_path, case):  # noqa: F811
    algorithm, changes = case.split("-")[0], SETTINGS | CASES[case]
    alone, both = (trained(make_task, tmp_path / str(count), algorithm, count, changes) for count in (1, 2))
    for one, two in zip(alone.lines, both.lines, strict=True):
        for name in one.keys() & two.keys():
            if name in NOT_COMPARED or name.startswith("time/"):
                continue
            assert two[name] == pytest.approx(one[name], rel=2e-4, abs=2e-6), name
        different = {name for name in one.keys() ^ two.keys() if not name.startswith(("flops/", "bytes/"))}
        assert different <= OF_GIVEN_TEXTS  # and work is counted of one process alone
    moved = distance(alone.weights, alone.start)
    assert moved > 0.01, "it trains"
    assert distance(both.weights, alone.weights) < 1e-3 * moved
    assert both.groups == alone.groups, "the groups of all processes, in the order of one"
    assert both.same, "both processes hold the same weights to the last bit"


def test_an_epoch_that_ends_in_a_single_row(make_task, tmp_path):  # noqa: F811
    """The last micro-batch of 9 rows has one: the other process has nothing to add, and the step is divided by that one row's tokens."""
    changes = SETTINGS | {"batch_size": 4, "micro_batch_size": 4, "steps": 4}
    rows = rows_of("sft", 9)
    alone, both = (trained(make_task, tmp_path / str(count), "sft", count, changes, rows) for count in (1, 2))
    assert [two["loss"] for two in both.lines] == pytest.approx([one["loss"] for one in alone.lines], rel=1e-4)
    assert [two["tokens_trained"] for two in both.lines] == [one["tokens_trained"] for one in alone.lines]


def test_a_step_in_which_one_process_keeps_nothing(make_task, tmp_path):  # noqa: F811
    """All that is kept is one process's: the other takes no pass, and both take the same update."""
    changes = (
        SETTINGS
        | GROUPS
        | {"batch_size": 8, "iterations": 1, "threshold": {"kind": "above_mean"}, "skip_no_spread": True}
    )
    alone, both = (
        trained(make_task, tmp_path / str(count), "grpo", count, changes, written=flat_second_half) for count in (1, 2)
    )
    assert [line["no_spread_share"] for line in both.lines] == [0.5] * 3
    assert [two["loss"] for two in both.lines] == pytest.approx(
        [one["loss"] for one in alone.lines], rel=1e-4, abs=1e-7
    )
    assert both.same


# ---- processes

Written = Callable[[str, int, bool], str]
"""What is written to a prompt the n-th time, in the first half of a rollout or in its second."""


Around = Callable[[Any], AbstractContextManager[Any]]


def varied(prompt: str, number: int, in_first_half: bool) -> str:
    chance = random.Random(f"{prompt}:{number}")
    return "".join(chance.choice("0123456789=x+ ") for _ in range(chance.randrange(1, 6)))


def flat_second_half(prompt: str, number: int, in_first_half: bool) -> str:
    """So that the groups of the second half, which are the second process's, have no spread."""
    return varied(prompt, number, in_first_half) if in_first_half else "7"


class Trained:
    """What a run of one or more processes came to."""

    def __init__(self, folder: Path, processes: int) -> None:
        self.lines = RunFolder(folder).metrics().lines
        files = [torch.load(folder / f"weights.{rank}.pt") for rank in range(processes)]
        self.start, self.weights = files[0]
        self.same = all(all(torch.equal(each[1][name], self.weights[name]) for name in self.weights) for each in files)
        path = folder / "groups.jsonl"
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
        self.groups = [(line["step"], line["group"], line["prompt"], texts_of(line)) for line in lines]


def texts_of(line: dict[str, Any]) -> list[tuple[str, float, bool]]:
    return [(each["text"], round(each["reward"], 4), each["kept"]) for each in line["completions"]]


def trained(
    make_task: Any,  # noqa: F811
    folder: Path,
    algorithm: str,
    processes: int,
    changes: dict[str, Any],
    rows: list[dict[str, Any]] | None = None,
    written: Written = varied,
    around: Around = nullcontext,
) -> Trained:
    """Train a task in so many forked processes, each within ``around`` of its own task."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(processes):
        if (child := os.fork()) == 0:
            try:
                renew_threads()
                if processes > 1:
                    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "MASTER_PORT": port}
                    os.environ.update({name: str(value) for name, value in told.items()}, MASTER_ADDR="127.0.0.1")
                    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
                team.join(processes)
                train(make_task, folder, algorithm, changes | {"processes": processes}, rows, written, around)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * processes
    return Trained(folder, processes)


def renew_threads() -> None:
    """In a forked process: torch's thread pool, whose threads stayed behind. Else the first new thread makes it anew, and a second one that
    comes meanwhile, as transformers' threads do where they load weights, fails: "Invalid thread pool!"."""
    torch.set_num_threads(torch.get_num_threads())


def train(
    make_task: Any,  # noqa: F811
    folder: Path,
    algorithm: str,
    changes: dict[str, Any],
    rows: Any,
    written: Written,
    around: Around,
) -> None:
    """In a process of its own: train, and save the weights before and after."""

    def generate(self: Any, prompts: list[Any]) -> tuple[list[list[int]], list[list[int]], None, None, None]:
        texts = [turns[-1]["content"] for turns in prompts]
        first, whole = team.rank() * len(texts), team.size() * len(texts)
        ids = []
        for at, text in enumerate(texts):
            completion = written(text, texts[:at].count(text), first + at < whole // 2)
            ids.append([*self.processing_class(completion, add_special_tokens=False)["input_ids"], self.tokens.ends[0]])
        return [self.tokens.asked(turns) for turns in prompts], ids, None, None, None

    GroupTrainer._generate = generate  # type: ignore[method-assign,assignment]
    task = make_task(algorithm, rows, **changes)
    task.folder = task.reporter.folder = RunFolder(folder)
    with around(task):
        start = weights(task.model)
        SIBLINGS[algorithm].train(task)
        torch.save((start, weights(task.model)), folder / f"weights.{team.rank()}.pt")


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters() if value.requires_grad}


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return float(sum((one[name] - other[name]).square().sum() for name in one if name in other) ** 0.5)
