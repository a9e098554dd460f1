"""The job that ejects a run: ``train.py``, its rows, rules and start model, pinned requirements, a README. The lab is not needed after it.

Not here: the script's text (``compose.py``, ``pieces/``).
"""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from lab.core.algorithms import algorithm_of
from lab.core.out_jobs import EjectSpec
from lab.core.recipes import Recipe, parse, with_values
from lab.data.datasets import load
from lab.errors import DatasetError, RecipeError
from lab.rules.export import NEEDS, as_python
from lab.sandbox.rewards import by_name
from lab.store.models import ModelRef, resolve, reward_adapter
from lab.store.run_folder import RunFolder
from lab.training.eject.compose import script
from lab.training.models.base import choose_device, choose_dtype, default_optimizer, load_tokens
from lab.training.models.length_filter import fit
from lab.training.models.ruler import context_of
from lab.training.models.tokens import Tokens
from lab.training.out.base_of import BESIDE, Base, base_of, root_of
from lab.training.out.card import TITLES, without_paths
from lab.training.out.weights import WEIGHTS, copy_adapter
from lab.training.task import SCHEDULES
from lab.training.worker.job_reporter import JobReporter

SCRIPTS = ("sft", "rm", "dpo", "grpo", "ppo")
"""The algorithms that have a piece."""
COLUMNS = ("prompt", "completion", "chosen", "rejected", "answer", "messages")
PRECISIONS = {"torch.float32": "fp32", "torch.bfloat16": "bf16", "torch.float16": "fp16"}
PINNED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "numpy", "safetensors")
START, REWARD_MODEL = "start_adapter", "reward_model"
OF_SAMPLING = (
    *("group_size", "iterations", "epsilon_low", "epsilon_high", "temperature", "max_completion_length"),
    *("scale_rewards", "skip_no_spread", "beta", "reward_model_weight", "rules_weight", "kl_coefficient"),
    *("discount", "gae_lambda", "value_clip", "value_coefficient"),
)


def write_script(spec: EjectSpec, home: Path, reporter: JobReporter) -> dict[str, Any]:
    """Write the run to the job's folder ``out``; what stands in result.json. Raises LabError."""
    run = RunFolder(home / "runs" / spec.run)
    stored = run.recipe() or {}
    recipe: Any = parse(stored.get("recipe") or {}, source=spec.run)
    recipe = with_values(recipe, recipe.in_one_process)
    if recipe.algorithm not in SCRIPTS:
        raise RecipeError("eject_algorithm", value=recipe.algorithm, known=", ".join(SCRIPTS))
    if algorithm_of(recipe).has_group_baseline and recipe.dynamic_sampling:
        raise RecipeError("eject_setting", field="dynamic_sampling", value=recipe.dynamic_sampling)
    if recipe.rollouts_by_vllm:
        raise RecipeError("eject_setting", field="rollouts", value=recipe.rollouts)
    dataset = load(recipe, home)
    if stored.get("dataset_hash") not in (None, dataset.content_hash):
        raise DatasetError("eject_data_changed", path=recipe.dataset)
    fitted = fit(recipe, dataset, home)
    recipe = fitted.recipe
    ref = resolve(recipe.model, home)
    tokens, base = load_tokens(ref), base_of(Path(ref.base), home)
    reporter.enter_stage("writing")
    draft, target = reporter.folder.path / "out.part", reporter.folder.path / "out"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    _write_start(draft, ref, base, tokens, recipe, home)
    _write_rows(draft / "data.jsonl", fitted.dataset.train)
    if algorithm_of(recipe).writes_groups:
        (draft / "rewards.py").write_text(as_python(recipe.rules, "rewards"), "utf-8")
    settings = settings_of(recipe, ref, base, tokens)
    about = f"The run {spec.run}: {TITLES[recipe.algorithm]}. Ejected from the Alignment Lab; it needs no lab.\n\n    python train.py"
    (draft / "train.py").write_text(script(recipe.algorithm, about, settings), "utf-8")
    (draft / "requirements.txt").write_text("\n".join(_requirements(recipe, stored)) + "\n", "utf-8")
    losses = [{"step": line["step"], "loss": line["loss"]} for line in run.metrics().lines if "loss" in line]
    _write_rows(draft / "expected_losses.jsonl", losses)
    (draft / "README.md").write_text(
        _readme(spec.run, recipe, base, root_of(Path(ref.base), home).licence, run, settings), "utf-8"
    )
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    return {"files": sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())}


def settings_of(recipe: Any, ref: ModelRef, base: Base, tokens: Tokens) -> dict[str, Any]:
    """The script's settings: what the recipe says, and what the lab made of it on this machine."""
    device = choose_device(recipe.device)
    values: dict[str, Any] = {
        "base": base.hub or BESIDE,
        "start_adapter": START if ref.adapter is not None else "",
        "training": recipe.training.value,
        "lora_rank": recipe.lora_rank,
        "lora_alpha": recipe.lora_alpha,
        "load_in_4bit": recipe.load_in_4bit,
        "device": device.type,
        "precision": PRECISIONS[str(choose_dtype(recipe.precision, device))],
        "steps": recipe.steps,
        "batch_size": recipe.batch_size,
        "micro_batch_size": recipe.rows_per_pass,
        "learning_rate": recipe.learning_rate,
        "schedule": SCHEDULES.get(recipe.schedule, recipe.schedule.value),
        "warmup_steps": recipe.warmup_steps,
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_grad_norm,
        "optimizer": default_optimizer(device.type, recipe.four_bit_base),
        "gradient_checkpointing": recipe.recomputes_activations,
        "seed": recipe.seed,
        "ends": list(tokens.ends),
        "pad": tokens.pad,
        "template_end": tokens.template_end,
        "trailing": tokens.trailing,
        "opened": tokens.opened.text,
    }
    if not algorithm_of(recipe).writes_groups:
        values["max_length"] = recipe.row_limit or None
    values |= {name: getattr(recipe, name) for name in OF_SAMPLING if hasattr(recipe, name)}
    if hasattr(recipe, "loss_type"):
        values["loss_type"] = recipe.loss_type.value
    if algorithm_of(recipe).has_group_baseline:
        values |= {"threshold": recipe.threshold.kind.value, "fraction": recipe.threshold.fraction}
        values |= {"estimator": recipe.estimator.value, "ratio_level": recipe.ratio_level.value}
    if algorithm_of(recipe).has_critic:
        values |= {"critic": recipe.critic.value, "context": context_of(ref.base)}
        values |= {"reward_model": REWARD_MODEL if recipe.reward_run else ""}
    return values


def _write_start(folder: Path, ref: ModelRef, base: Base, tokens: Tokens, recipe: Recipe, home: Path) -> None:
    tokens.tokenizer.save_pretrained(folder / "tokenizer")
    if not base.hub:
        (folder / BESIDE).mkdir()
        for file in [
            *Path(ref.base).glob(WEIGHTS),
            *Path(ref.base).glob("*config.json"),
            *Path(ref.base).glob("LICENSE*"),
        ]:
            shutil.copyfile(file, folder / BESIDE / file.name)
    if ref.adapter is not None:
        copy_adapter(Path(ref.adapter), folder / START, base)
    if recipe.reward_run:
        copy_adapter(reward_adapter(recipe.reward_run, recipe.model, home), folder / REWARD_MODEL, base)


def _write_rows(file: Path, rows: list[dict[str, Any]]) -> None:
    with file.open("w", encoding="utf-8") as out:
        for row in rows:
            kept = row if "loss" in row else {name: row[name] for name in COLUMNS if name in row}
            out.write(json.dumps(kept, ensure_ascii=False) + "\n")


def _requirements(recipe: Recipe, stored: dict[str, Any]) -> list[str]:
    """The versions that the run had, without the part that names a build (``+cpu``)."""
    versions: dict[str, str] = stored.get("versions") or {}
    names = [*PINNED, *(["bitsandbytes"] if recipe.four_bit_base else [])]
    lines = [f"{name}=={(versions.get(name) or metadata.version(name)).partition('+')[0]}" for name in names]
    ready = by_name(trusting=False)
    used = {use.name for use in recipe.rule_uses or () if use.source is None and use.name in ready}
    for package in sorted({NEEDS[name][1] for name in used if name in NEEDS}):
        lines.append(f"{package}=={metadata.version(package.partition('[')[0])}")
    return lines


def _readme(run_id: str, recipe: Recipe, base: Base, licence: str, run: RunFolder, settings: dict[str, Any]) -> str:
    sampled = algorithm_of(recipe).writes_groups
    rules = "| `rewards.py` | the rules as reward functions of trl, with their weights |\n" if sampled else ""
    start = f"the base, {base.origin}" if not base.hub else f"(not here: the base is `{base.hub}` on the Hub)"
    beside = f"| `{BESIDE}/` | {start} |\n" if not base.hub else ""
    adapter = f"| `{START}/` | the adapter that the run started from |\n" if settings["start_adapter"] else ""
    reward = f"| `{REWARD_MODEL}/` | the reward model's adapter and head |\n" if settings.get("reward_model") else ""
    resumed = (
        "\nThe run was stopped and resumed, so from there on its generators stood elsewhere than a script's that runs through.\n"
        if (run.path / "earlier.json").exists()
        else ""
    )
    if recipe.spending_limits:
        resumed += "\nThe run had limits on what it may spend, which the script has not: it takes all its steps.\n"
    return f"""# Run {run_id}: {TITLES[recipe.algorithm]}

A training script of one file on transformers, trl and peft, ejected from the Alignment Lab. It needs no lab.

```bash
pip install -r requirements.txt
python train.py
```

It writes each step's loss to `losses.jsonl`, and the model to `model/`. `expected_losses.jsonl` holds those of the run. On the CPU, with
the same versions, they are the same to float precision; a GPU sums in another order, and sampling then goes other ways.
{resumed}
| file | |
|---|---|
| `train.py` | the settings at its top (`RUN`), then losses, model, loop |
| `data.jsonl` | the rows that the run trained on, in its order; data `{without_paths(recipe.dataset)}` |
{rules}| `tokenizer/` | with the chat template and the pad token that the run used |
{beside}{adapter}{reward}| `requirements.txt` | the versions that the run had |

Computed on {settings["device"]} in {settings["precision"]}; on another machine set `device` and `precision` in `RUN`. Held-out measurement,
checkpoints and charts are the lab's and not here.{" Written rules run in your own Python here, with no sandbox around them." if sampled else ""}
Licence of the base: {licence or "not known here"}.
"""
