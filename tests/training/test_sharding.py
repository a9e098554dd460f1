"""Two processes that share the base make the update of two that hold it whole, for every algorithm, and keep half of its bytes each.

The processes are real ones that talk over gloo, forked here as in ``test_processes.py``; the base is the tiny model, loaded as a run loads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, set_seed

from lab.core.rules import Rule
from lab.sandbox.rewards import Weighed
from lab.store.models import SHIPPED
from lab.store.run_folder import RunFolder
from lab.training.cpu import lora as cpu_lora
from lab.training.models import sharding
from lab.training.trainers.group_trainer import GroupTrainer
from lab.training.worker import team
from tests.training.algorithms.conftest import SIBLINGS, make_task, rows_of  # noqa: F401
from tests.training.test_processes import GROUPS, NOT_COMPARED, SETTINGS, Trained, distance, flat_second_half, trained
from tests.training.worker.test_main import make_run, steps_of
from tests.training.worker.test_torchrun import ended

pytestmark = pytest.mark.train

TWO = SETTINGS | {"model": "tiny", "training": "lora", "processes": 2, "max_length": 64}
SAMPLED = {name: value for name, value in (TWO | GROUPS).items() if name != "max_length"}
FEW = {"threshold": {"kind": "above_mean"}, "skip_no_spread": True}
CASES: dict[str, dict[str, Any]] = {
    "sft": TWO,
    "sft-four-bits": TWO | {"load_in_4bit": True},
    "sft-checkpointing": TWO | {"gradient_checkpointing": True},
    "sft-bf16": TWO | {"precision": "bf16"},
    "rm": TWO,
    "rm-four-bits": TWO | {"load_in_4bit": True, "gradient_checkpointing": True},
    "dpo": TWO,
    "dpo-four-bits": TWO | {"load_in_4bit": True},
    "grpo-all": SAMPLED | {"beta": 0.05},
    "grpo-above_mean-four-bits": SAMPLED | FEW | {"load_in_4bit": True},
    "grpo-all-checkpointing": SAMPLED | {"beta": 0.05, "gradient_checkpointing": True},
    "ppo-own": SAMPLED | {"critic": "own"},
    "ppo-own-checkpointing": SAMPLED | {"critic": "own", "gradient_checkpointing": True},
    "ppo-trunk-four-bits": SAMPLED | {"critic": "trunk", "load_in_4bit": True},
}
SAMPLE_HERE = GroupTrainer._generate
"""What the forked processes of ``test_processes.py`` put given completions in the place of."""


@pytest.mark.parametrize("case", CASES)
def test_a_sharded_base_takes_the_same_updates(make_task, tmp_path, case):  # noqa: F811
    whole, sharded = both(make_task, tmp_path, case.split("-")[0], CASES[case])
    alike(whole, sharded)
    assert distance(whole.weights, whole.start) > 0.01, "it trains"
    assert sharded.groups == whole.groups
    half_each(tmp_path)


def test_layers_are_found_in_a_model_of_another_family(make_task, tmp_path):  # noqa: F811
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED["tiny"])
    shape = GPT2Config(vocab_size=len(tokenizer), n_positions=128, n_embd=32, n_layer=3, n_head=2)
    torch.manual_seed(3)
    for part in (GPT2LMHeadModel(shape), tokenizer):
        part.save_pretrained(tmp_path / "gpt2")
    alike(*both(make_task, tmp_path, "sft", TWO | {"model": str(tmp_path / "gpt2")}))
    half_each(tmp_path)


@pytest.mark.parametrize("algorithm", ["sft", "ppo"])
def test_embeddings_that_are_not_the_heads_weights_are_sharded_by_themselves(make_task, tmp_path, algorithm):  # noqa: F811
    model = AutoModelForCausalLM.from_pretrained(SHIPPED["tiny"], tie_word_embeddings=False)
    model.lm_head.weight.data = model.model.embed_tokens.weight.data.clone()
    for part in (model, AutoTokenizer.from_pretrained(SHIPPED["tiny"])):
        part.save_pretrained(tmp_path / "untied")
    changes = (TWO if algorithm == "sft" else SAMPLED) | {"model": str(tmp_path / "untied")}
    alike(*both(make_task, tmp_path, algorithm, changes))
    half_each(tmp_path)


def test_a_process_without_rows_keeps_pace(make_task, tmp_path):  # noqa: F811
    """The last micro-batch of 9 rows has one: the first process, which writes pairs, passes it through the model and counts nothing."""
    for algorithm in ("sft", "dpo"):
        (folder := tmp_path / algorithm).mkdir()
        changes = TWO | {"batch_size": 4, "steps": 4}
        whole, sharded = both(make_task, folder, algorithm, changes, rows_of(algorithm, 9))
        alike(whole, sharded)
    pairs = [RunFolder(tmp_path / "dpo" / name).path / "pairs.jsonl" for name in ("whole", "sharded")]
    assert pairs[0].read_bytes() == pairs[1].read_bytes() != b""


def test_a_process_that_keeps_no_completion_keeps_pace(make_task, tmp_path):  # noqa: F811
    changes = SAMPLED | FEW | {"batch_size": 8, "iterations": 1, "beta": 0.05}
    whole, sharded = both(make_task, tmp_path, "grpo", changes, written=flat_second_half)
    assert [line["no_spread_share"] for line in sharded.lines] == [0.5] * 3
    alike(whole, sharded)


@pytest.mark.parametrize("share_of_free", [0.0, sharding.SHARE_OF_FREE], ids=["each-token-gathers", "kept-gathered"])
def test_processes_sample_completions_of_their_own(make_task, tmp_path, share_of_free, monkeypatch):  # noqa: F811
    """One ends earlier than the other, and still they take as many steps."""
    monkeypatch.setattr(sharding, "SHARE_OF_FREE", share_of_free)
    changes = SAMPLED | {"max_completion_length": 12, "temperature": 1.5}
    whole, sharded = both(make_task, tmp_path, "grpo", changes, samples=True)
    alike(whole, sharded)
    assert sharded.groups == whole.groups
    texts = [text for *_, completions in sharded.groups for text, *_ in completions]
    assert len({len(text) for text in texts}) > 3
    half_each(tmp_path)


def test_a_process_with_no_group_to_replace_samples_beside_the_others(make_task, tmp_path):  # noqa: F811
    changes = SAMPLED | FEW | {"dynamic_sampling": 2, "steps": 1, "iterations": 1, "max_completion_length": 12}
    whole, sharded = both(make_task, tmp_path, "grpo", changes, samples=True, flat_in=1)
    assert whole.groups == sharded.groups
    thrown_away = [line["groups_thrown_away"] for line in (*whole.lines, *sharded.lines)]
    assert thrown_away == [4, 4], "both groups of the second process, in both rounds"


@pytest.mark.timeout(1500)
def test_a_sharded_run_is_measured_stops_and_goes_on_as_one_with_whole_bases(tmp_path):
    changes = {"processes": 2, "training": "lora", "load_in_4bit": True, "batch_size": 8, "steps": 4}
    changes |= {"measure_samples": 16, "measure_every": 2, "save_every": 1}
    paths = {
        name: make_run(tmp_path, "tiny/dpo", name, shard_base=name == "sharded", **changes)
        for name in ("whole", "sharded")
    }
    (paths["sharded"] / "stop").write_text("{}")
    assert ended(paths["sharded"], 3)["state"] == "stopped"
    RunFolder(paths["sharded"]).prepare_resume()
    whole, sharded = (ended(path, 0) for path in paths.values())
    assert whole["kl_from_start"] > 0
    for name in ("before", "after", "kl_from_start"):
        assert sharded[name] == pytest.approx(whole[name], rel=1e-4, abs=1e-6), name
    lines = [RunFolder(path).metrics().lines for path in paths.values()]
    assert [line["step"] for line in lines[0]] == [line["step"] for line in lines[1]]
    for one, other in zip(*lines, strict=True):
        expected, told = (line.get("held_out", line) for line in (one, other))
        for name in expected.keys() & {"loss", "margin", "kl_from_start", "pass_at_1"}:
            assert told[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name
    weights = [load_file(path / "model" / "adapter_model.safetensors") for path in paths.values()]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.allclose(value, weights[1][name], atol=1e-6) for name, value in weights[0].items())
    successor = make_run(tmp_path, "tiny/sft", "next", **changes, shard_base=True, model="run:sharded")
    result = ended(successor, 0)
    assert steps_of(successor) == [1, 2, 3, 4]
    assert result["kl_from_start"] is not None, "from a start that is loaded again, sharded"


# ---- processes


def both(
    make_task: Any,  # noqa: F811
    folder: Path,
    algorithm: str,
    changes: dict[str, Any],
    *more: Any,
    samples: bool = False,
    flat_in: int | None = None,
    **named: Any,
) -> list[Trained]:
    """A task trained by two processes that hold the base whole, and by two that share it. ``samples``: completions are sampled and not given;
    ``flat_in``: the process that rewards all alike."""

    @contextmanager
    def loaded(task: Any) -> Iterator[None]:
        cpu_lora.SMALL = 0  # W + s B A rounds otherwise than the two products
        if samples:
            GroupTrainer._generate = SAMPLE_HERE  # type: ignore[method-assign]
        if team.rank() == flat_in:
            task.rules = [Weighed(Rule("length", lambda *_: 0.5), 1.0)]
        set_seed(task.recipe.seed)
        task.loaded = SIBLINGS[algorithm].prepare(task)
        assert sharding.is_sharded(task.model) is task.recipe.shards_base
        before = bytes_kept(task.model)
        yield
        sharding.release(task.model)
        kept = [before, bytes_kept(task.model)]
        (task.folder.path / f"bytes.{team.rank()}.json").write_text(json.dumps(kept))

    trainings = []
    for name in ("whole", "sharded"):
        asked = changes | {"shard_base": name == "sharded"}
        trainings.append(trained(make_task, folder / name, algorithm, 2, asked, *more, around=loaded, **named))
    return trainings


def bytes_kept(model: Any) -> int:
    """Bytes of the base's weights in this process, its parts of sharded ones."""
    base = [weight for name, weight in model.named_parameters() if not sharding.is_left_whole(name, weight)]
    storages = [(weight.to_local() if isinstance(weight, DTensor) else weight).untyped_storage() for weight in base]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())  # tied weights are one


def alike(whole: Trained, sharded: Trained) -> None:
    for one, other in zip(whole.lines, sharded.lines, strict=True):
        of_both = [{name for name in line if not name.startswith("time/")} for line in (one, other)]
        assert of_both[0] == of_both[1]
        for name in of_both[0].difference(NOT_COMPARED):
            assert other[name] == pytest.approx(one[name], rel=1e-5, abs=1e-7), name
    assert distance(sharded.weights, whole.weights) <= 1e-6 * distance(whole.weights, whole.start)
    assert sharded.same, "both processes hold the same weights to the last bit"


def half_each(folder: Path) -> None:
    """Each of two processes holds half of the base's bytes, before the first step and after the last."""
    whole, sharded = (
        [json.loads((folder / name / f"bytes.{rank}.json").read_text()) for rank in range(2)]
        for name in ("whole", "sharded")
    )
    for before, kept in zip(whole, sharded, strict=True):
        assert kept == pytest.approx([size / 2 for size in before], rel=0.01)
