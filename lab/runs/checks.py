"""Checks before a run starts: everything that is known without a worker. What only the worker knows, it reports itself.

Not here: whether the recipe is valid in itself (``lab/core/recipes``).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from importlib.util import find_spec
from pathlib import Path

from lab.annotation.versions.export import version_file
from lab.core.budget import weights_at_least
from lab.core.recipes import Device, Precision, Recipe
from lab.data.datasets import VERSION, Dataset, load
from lab.errors import DatasetError, MachineError, ModelError, StateError
from lab.loading import require_vllm
from lab.machine import machine_memory
from lab.rules import RULES
from lab.runs.launcher import cores
from lab.runs.warnings import weights_of
from lab.sandbox.rewards import check_uses
from lab.store.models import resolve, reward_adapter, shapes_of, too_big
from lab.store.runs import Store, valid_run_id
from lab.words import size_text

ALWAYS_FREE = 200_000_000  # for logs, groups and the adapter
FULL_TIMES = 8  # two checkpoints of weights and both of Adam's moments, and the model
NOT_A_FOLDER = frozenset({"scratch"})


def check(recipe: Recipe, store: Store, *, here: bool = True) -> str:
    """Raise the LabError of the first thing that would make the run fail; return the content hash of its data.

    A run that is not to be computed ``here`` may need what this machine has not: GPUs, cores, memory.
    """
    model = check_model(recipe.model, store)
    check_rules(recipe)
    if recipe.reward_run:
        reward_adapter(recipe.reward_run, recipe.model, store.home)
    if here:
        check_machine(recipe, model)
    check_disk(recipe, store, model)
    for name in (recipe.dataset, recipe.watched_pairs):
        if name.startswith(VERSION):
            version_file(store, name.removeprefix(VERSION))
    data = load(recipe, store.home)  # read as the worker will; raises DatasetError
    check_answers(recipe, data)
    return data.content_hash


def check_machine(recipe: Recipe, model: Path | None) -> None:
    """Raise MachineError where this machine cannot compute a run."""
    check_four_bits(recipe)
    check_tracker(recipe)
    check_processes(recipe)
    check_rollouts(recipe)
    check_memory(recipe, model)


def check_answers(recipe: Recipe, data: Dataset) -> None:
    """Raise DatasetError where a rule that compares with the known answer would reward prompts of which none has one."""
    weights = weights_of(recipe.model_dump())
    uses = recipe.rule_uses or ()
    needing = [use.name for use in uses if use.source is None and weights[use.name] and needs_answer(use.name)]
    if needing and data.train and not any(str(row.get("answer") or "").strip() for row in data.train):
        raise DatasetError("answers_missing", path=recipe.dataset, count=len(data.train), rules=", ".join(needing))


def needs_answer(name: str) -> bool:
    """Whether a ready-made rule needs the known answer."""
    return name in RULES and RULES[name].needs_answer


def check_model(model: str, store: Store) -> Path | None:
    """The folder of the model that a recipe starts from; None for one that is made. Raises ModelError."""
    if model in NOT_A_FOLDER:
        return None
    if model.startswith("run:") and valid_run_id(model[4:]):
        _check_run(model[4:], store)
    folder = Path(resolve(model, store.home).base)
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        config = None
    if not isinstance(config, dict) or "model_type" not in config:
        raise ModelError("model_config_broken", value=model)
    return folder


def check_four_bits(recipe: Recipe) -> None:
    """Raise MachineError where a 4-bit base is asked for and nothing here can hold one."""
    if not recipe.four_bit_base:
        return
    if find_spec("bitsandbytes") is None:
        raise MachineError("four_bits_missing")
    # Known without torch, which is not loaded here: on Apple silicon auto takes MPS.
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    device = Device.MPS if recipe.device is Device.AUTO and apple else recipe.device
    if device is Device.MPS:
        raise MachineError("four_bits_device", device=device.value)


def check_tracker(recipe: Recipe) -> None:
    """Raise MachineError where the tracker that a recipe reports to is not installed. It is looked for, not imported."""
    if recipe.report_to and find_spec(recipe.report_to.value) is None:
        raise MachineError("tracker_missing", tracker=recipe.report_to.value)


def check_rollouts(recipe: Recipe) -> None:
    """Raise MachineError where vLLM shall write the completions and the GPU or the package is not here. Nothing is imported."""
    if not recipe.rollouts_by_vllm:
        return
    if shutil.which("nvidia-smi") is None:
        raise MachineError("vllm_no_gpu")
    require_vllm(four_bits=recipe.four_bit_base)


def check_rules(recipe: Recipe) -> None:
    """Raise RuleError where the recipe names a rule that there is not, or holds one that cannot be used."""
    if wrong := check_uses(recipe.rule_uses or ()):
        raise wrong[0]


def check_disk(recipe: Recipe, store: Store, model: Path | None) -> None:
    """Raise MachineError where the run would fill the disk, or where nothing can be written."""
    if not os.access(store.home / "runs", os.W_OK):
        raise MachineError("home_not_writable", home=store.home, reason="permission denied")
    need = ALWAYS_FREE
    if model is not None and recipe.trains_all_weights:
        need += FULL_TIMES * sum(file.stat().st_size for file in model.glob("*.safetensors"))
    free = shutil.disk_usage(store.home).free
    if free < need:
        raise MachineError("disk_too_small", path=store.home, free=size_text(free), need=size_text(need))


def check_processes(recipe: Recipe) -> None:
    """Raise MachineError where a CPU run has more processes than there are cores. GPUs are counted by the worker."""
    if recipe.processes > 1 and not on_gpu(recipe) and recipe.processes > (there := cores()):
        raise MachineError("processes_cores", value=recipe.processes, there=there)


def on_gpu(recipe: Recipe) -> bool:
    """Whether the run will compute on CUDA, as far as it is known without torch."""
    return recipe.device is Device.CUDA or (recipe.device is Device.AUTO and shutil.which("nvidia-smi") is not None)


def check_memory(recipe: Recipe, model: Path | None) -> None:
    """Raise MachineError where a base is larger than all of the machine's memory.

    Whether it fits beside what runs just now is for the worker to say, which also knows of a GPU's memory.
    """
    if model is None or on_gpu(recipe):
        return
    wide = recipe.precision in (Precision.AUTO, Precision.FP32)
    need = weights_at_least(shapes_of(model), recipe.four_bit_base, 4 if wide else 2)
    if need > (total := machine_memory()[1]):
        raise too_big(recipe, need, total)


def _check_run(run_id: str, store: Store) -> None:
    try:
        run = store.run(run_id)
    except StateError:
        return  # copied here by hand, perhaps: its folder counts
    if not run.state.ended:
        raise ModelError("model_run_has_none", run=run.name, state=run.state)
