"""Recipes: one pydantic model an algorithm, the validated description of one training run.

Every default, bound, label and help text stands here, once, on the field; the form of the page, the command line and the docs
are derived from it. This module reads no files (``lab/store/presets.py`` does) and knows no trainer.
"""

from __future__ import annotations

import difflib
from copy import copy
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from lab.core.groups import ThresholdKind
from lab.errors import RecipeError


class Section(StrEnum):
    """Where a field stands in the form, in this order."""

    WHAT = "what"
    GROUP = "group"
    OPTIMISER = "optimiser"
    LENGTHS = "lengths"
    ADAPTER = "adapter"
    MEASURE = "measure"
    MACHINE = "machine"


class Schedule(StrEnum):
    """How the learning rate moves after the warm-up."""

    CONSTANT = "constant"
    LINEAR = "linear"
    COSINE = "cosine"


class Training(StrEnum):
    """What is trained: all weights, or a LoRA adapter on the frozen base."""

    FULL = "full"
    LORA = "lora"


class Device(StrEnum):
    """Where the run computes; auto takes CUDA, then MPS, then the CPU."""

    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


class Precision(StrEnum):
    """The number format of weights and computation; auto is bf16 on CUDA and fp32 elsewhere."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class LossType(StrEnum):
    """How token losses are summed up: see docs/algorithms.md."""

    DAPO = "dapo"
    GRPO = "grpo"
    BNPO = "bnpo"
    DR_GRPO = "dr_grpo"


def setting(
    default: Any, section: Section, en: tuple[str, str], zh: tuple[str, str], *, advanced: bool = False, **bounds: Any
) -> Any:
    """A field with its label and help text in both languages; ``bounds`` go to pydantic (ge, le, gt, …)."""
    extra: dict[str, Any] = {
        "section": section.value,
        "label": {"en": en[0], "zh": zh[0]},
        "help": {"en": en[1], "zh": zh[1]},
        "advanced": advanced,
    }
    return Field(default, description=en[1], json_schema_extra=extra, **bounds)


def other_default(model: type[BaseModel], name: str, default: Any) -> Any:
    """The same field, words and bounds as ``model`` has, with another default."""
    field = copy(model.model_fields[name])
    field.default = default
    return field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)


class RuleUse(_Strict):
    """A rule by name, with its weight in the rule set and the score that stands in where it fails."""

    name: str
    weight: float = Field(1.0, ge=-100, le=100)
    fallback: float = Field(0.0, ge=-100, le=100)


class Recipe(_Strict):
    """What every algorithm's recipe has."""

    algorithm: str
    name: str = setting(
        "",
        Section.WHAT,
        ("Name", "How this run is called in the lists; free text."),
        ("名称", "运行在列表中的名字，随意填写。"),
        max_length=80,
    )
    about_en: str = Field("", max_length=600)
    about_zh: str = Field("", max_length=600)
    model: str = setting(
        "tiny",
        Section.WHAT,
        ("Start from", "The model to start from: `tiny` (shipped), `run:ID` (an earlier run), a folder, or a hub id."),
        ("起点模型", "从哪个模型开始：`tiny`（自带）、`run:ID`（之前的运行）、本地文件夹或 Hub 上的 id。"),
        min_length=1,
        max_length=400,
    )
    dataset: str = setting(
        "equations",
        Section.WHAT,
        ("Data", "`equations` (made by the lab) or a JSONL or JSON file with the columns that the algorithm needs."),
        ("数据", "`equations`（实验室自带）或含所需列的 JSONL / JSON 文件。"),
        min_length=1,
        max_length=400,
    )
    seed: int = setting(
        1,
        Section.WHAT,
        ("Seed", "The same recipe with the same seed gives the same run on the same machine."),
        ("随机种子", "同一配方、同一种子、同一机器，得到同样的运行。"),
        ge=0,
        le=2**31 - 1,
    )
    steps: int = setting(
        150,
        Section.OPTIMISER,
        ("Steps", "How many optimiser steps the run takes in all."),
        ("训练步数", "总共做多少步优化。"),
        ge=1,
        le=1_000_000,
    )
    learning_rate: float = setting(
        1e-3,
        Section.OPTIMISER,
        ("Learning rate", "The peak step size. LoRA wants about ten times what full training wants."),
        ("学习率", "最大步长。LoRA 约为全参数训练的十倍。"),
        gt=0,
        le=1,
    )
    schedule: Schedule = setting(
        Schedule.CONSTANT,
        Section.OPTIMISER,
        ("Schedule", "How the learning rate moves after the warm-up."),
        ("学习率曲线", "预热之后学习率如何变化。"),
        advanced=True,
    )
    warmup_steps: int = setting(
        0,
        Section.OPTIMISER,
        ("Warm-up steps", "Steps over which the learning rate rises from 0."),
        ("预热步数", "学习率从 0 升起所用的步数。"),
        advanced=True,
        ge=0,
        le=100_000,
    )
    weight_decay: float = setting(
        0.0,
        Section.OPTIMISER,
        ("Weight decay", "Pulls weights towards 0 at each step (AdamW)."),
        ("权重衰减", "每步把权重拉向 0（AdamW）。"),
        advanced=True,
        ge=0,
        le=1,
    )
    max_grad_norm: float = setting(
        1.0,
        Section.OPTIMISER,
        ("Gradient clip", "The gradient's norm is cut to this."),
        ("梯度裁剪", "梯度范数的上限。"),
        advanced=True,
        gt=0,
        le=1000,
    )
    save_every: int = setting(
        50,
        Section.MACHINE,
        ("Checkpoint every", "Steps between checkpoints that a run can resume from."),
        ("检查点间隔", "每隔多少步保存一个可续训的检查点。"),
        advanced=True,
        ge=1,
        le=100_000,
    )
    measure_every: int = setting(
        0,
        Section.MEASURE,
        ("Measure every", "Steps between held-out measurements while training; 0 measures only before and after."),
        ("测量间隔", "训练中每隔多少步在留出集上测量；0 表示只在前后测量。"),
        ge=0,
        le=100_000,
    )
    measure_samples: int = setting(
        1024,
        Section.MEASURE,
        ("Held-out samples", "Completions sampled for each held-out measurement; 0 turns measuring off."),
        ("留出集样本数", "每次测量采样多少条回答；0 表示不测量。"),
        ge=0,
        le=100_000,
    )
    device: Device = setting(
        Device.AUTO,
        Section.MACHINE,
        ("Device", "Where to compute; auto takes CUDA, then MPS, then the CPU."),
        ("设备", "在哪里计算；auto 依次选择 CUDA、MPS、CPU。"),
        advanced=True,
    )
    precision: Precision = setting(
        Precision.AUTO,
        Section.MACHINE,
        ("Precision", "Number format; auto is bf16 on CUDA and fp32 elsewhere."),
        ("精度", "数值格式；auto 在 CUDA 上为 bf16，其他为 fp32。"),
        advanced=True,
    )


class _Adapted(Recipe):
    """Recipes that train a given model, fully or through a LoRA adapter."""

    training: Training = setting(
        Training.LORA,
        Section.ADAPTER,
        ("Train", "`lora` trains a small adapter on the frozen base; `full` trains all weights."),
        ("训练方式", "`lora` 只训练冻结底座上的小适配器；`full` 训练全部权重。"),
    )
    lora_rank: int = setting(
        16,
        Section.ADAPTER,
        ("LoRA rank", "The width of the adapter's matrices."),
        ("LoRA 秩", "适配器矩阵的宽度。"),
        ge=1,
        le=512,
    )
    lora_alpha: int = setting(
        32,
        Section.ADAPTER,
        ("LoRA alpha", "The adapter is scaled by alpha / rank."),
        ("LoRA alpha", "适配器按 alpha / 秩 缩放。"),
        advanced=True,
        ge=1,
        le=2048,
    )
    load_in_4bit: bool = setting(
        False,
        Section.ADAPTER,
        ("4-bit base (QLoRA)", "Load the frozen base in NF4. Saves memory; on a CPU it costs time."),
        ("4 比特底座（QLoRA）", "以 NF4 载入冻结底座：省内存；在 CPU 上会变慢。"),
    )
    gradient_checkpointing: bool = setting(
        False,
        Section.MACHINE,
        ("Gradient checkpointing", "Trades time for memory: activations are computed twice."),
        ("梯度检查点", "用时间换内存：激活值计算两次。"),
        advanced=True,
    )

    @model_validator(mode="after")
    def _four_bits_need_lora(self) -> _Adapted:
        if self.load_in_4bit and self.training is Training.FULL:
            raise PydanticCustomError("recipe_4bit_needs_lora", "a 4-bit base trains through LoRA only", {})
        return self


class PretrainRecipe(Recipe):
    """Next-token training from scratch of a tiny Llama, on text that the lab makes."""

    algorithm: Literal["pretrain"] = "pretrain"
    model: Literal["scratch"] = "scratch"
    dataset: Literal["equations"] = "equations"
    steps: int = other_default(Recipe, "steps", 1000)
    learning_rate: float = other_default(Recipe, "learning_rate", 3e-3)
    schedule: Schedule = other_default(Recipe, "schedule", Schedule.COSINE)
    warmup_steps: int = other_default(Recipe, "warmup_steps", 50)
    save_every: int = other_default(Recipe, "save_every", 500)
    batch_size: int = setting(
        32,
        Section.OPTIMISER,
        ("Batch", "Texts in one optimiser step."),
        ("批大小", "每步优化用多少条文本。"),
        ge=1,
        le=4096,
    )
    max_length: int = setting(
        64, Section.LENGTHS, ("Longest text", "In tokens."), ("最长文本", "以词元计。"), advanced=True, ge=16, le=1024
    )
    vocabulary: int = setting(
        288,
        Section.LENGTHS,
        ("Vocabulary", "Tokens of the byte-level BPE; digits stay single."),
        ("词表大小", "字节级 BPE 的词元数；数字保持单个。"),
        advanced=True,
        ge=272,
        le=4096,
    )
    hidden_size: int = setting(
        96,
        Section.LENGTHS,
        ("Width", "Hidden size of the model."),
        ("宽度", "模型的隐藏维度。"),
        advanced=True,
        ge=16,
        le=1024,
    )
    layers: int = setting(
        3,
        Section.LENGTHS,
        ("Layers", "Transformer blocks."),
        ("层数", "Transformer 层数。"),
        advanced=True,
        ge=1,
        le=24,
    )
    heads: int = setting(
        3,
        Section.LENGTHS,
        ("Heads", "Attention heads; must divide the width."),
        ("注意力头", "须整除宽度。"),
        advanced=True,
        ge=1,
        le=16,
    )
    feed_forward: int = setting(
        256,
        Section.LENGTHS,
        ("Feed-forward", "Width of the feed-forward layers."),
        ("前馈宽度", "前馈层的宽度。"),
        advanced=True,
        ge=16,
        le=8192,
    )

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> PretrainRecipe:
        if self.hidden_size % self.heads or (self.hidden_size // self.heads) % 2:
            context = {"hidden_size": self.hidden_size, "heads": self.heads}
            raise PydanticCustomError("recipe_heads", "heads must divide the width into even parts", context)
        return self


class SftRecipe(_Adapted):
    """Supervised fine-tuning on prompt/completion rows, loss on completions only."""

    algorithm: Literal["sft"] = "sft"
    training: Training = other_default(_Adapted, "training", Training.FULL)
    batch_size: int = setting(
        32,
        Section.OPTIMISER,
        ("Batch", "Rows in one optimiser step."),
        ("批大小", "每步优化用多少行数据。"),
        ge=1,
        le=4096,
    )
    micro_batch_size: int = setting(
        32,
        Section.MACHINE,
        ("Micro-batch", "At most so many rows in one forward and backward pass; smaller needs less memory."),
        ("微批大小", "一次前向与反向最多多少行；越小越省内存。"),
        advanced=True,
        ge=1,
        le=4096,
    )
    max_length: int = setting(
        128,
        Section.LENGTHS,
        ("Longest row", "Prompt and completion together, in tokens; longer rows are cut."),
        ("最长行", "提示与回答合计的词元数，超出则截断。"),
        ge=8,
        le=131_072,
    )


class Threshold(_Strict):
    """Which completions of a group train the policy (DESIGN 5.6)."""

    kind: ThresholdKind = setting(
        ThresholdKind.ABOVE_MEAN,
        Section.GROUP,
        ("Threshold", "Who trains: all; only rewards above the group's mean (hard); or the top T % (soft)."),
        ("筛选阈值", "谁参与训练：全部；只取高于组均值的（硬阈值）；或前 T%（软阈值）。"),
    )
    fraction: float = setting(
        0.2,
        Section.GROUP,
        ("T", "The share of a group that the soft threshold keeps."),
        ("T", "软阈值保留的比例。"),
        gt=0,
        le=1,
    )


class GrpoRecipe(_Adapted):
    """GRPO: K answers a prompt, rule rewards, group mean as baseline, a bounded, clipped update on the kept ones."""

    algorithm: Literal["grpo"] = "grpo"
    group_size: int = setting(
        8,
        Section.GROUP,
        ("Group size K", "Completions sampled for each prompt; their mean is the baseline."),
        ("组大小 K", "每个提示采样多少条回答；其均值即基线。"),
        ge=2,
        le=256,
    )
    batch_size: int = setting(
        64,
        Section.GROUP,
        ("Batch", "Completions in one optimiser step: a multiple of K."),
        ("批大小", "每步优化的回答数：K 的倍数。"),
        ge=2,
        le=8192,
    )
    micro_batch_size: int = setting(
        64,
        Section.MACHINE,
        ("Micro-batch", "At most so many completions in one forward and backward pass; smaller needs less memory."),
        ("微批大小", "一次前向与反向最多多少条回答；越小越省内存。"),
        advanced=True,
        ge=1,
        le=8192,
    )
    threshold: Threshold = Threshold()
    rules: tuple[RuleUse, ...] = Field(
        (RuleUse(name="equals_answer"), RuleUse(name="integer_answer"), RuleUse(name="consistent")),
        min_length=1,
        max_length=32,
    )
    scale_rewards: bool = setting(
        True,
        Section.GROUP,
        ("Divide by σ", "Advantages are (r − μ)/σ; off: r − μ."),
        ("除以 σ", "优势为 (r − μ)/σ；关闭则为 r − μ。"),
        advanced=True,
    )
    skip_no_spread: bool = setting(
        True,
        Section.GROUP,
        (
            "Skip groups without spread",
            "Groups whose rewards are all equal teach nothing; off: they stay in, as in stock GRPO.",
        ),
        ("跳过无差异组", "奖励全相同的组没有信号；关闭则照原版 GRPO 保留。"),
        advanced=True,
    )
    iterations: int = setting(
        1,
        Section.GROUP,
        (
            "Updates per rollout",
            "How often each rollout is used. With 1 the ratio is exactly 1 and clipping never acts.",
        ),
        ("每批更新次数", "每批采样用几次。为 1 时比值恒为 1，裁剪不起作用。"),
        ge=1,
        le=16,
    )
    beta: float = setting(
        0.0,
        Section.GROUP,
        ("KL weight β", "Pulls the policy towards the start; 0 leaves the reference out."),
        ("KL 权重 β", "把策略拉向起点模型；0 则不用参考模型。"),
        ge=0,
        le=10,
    )
    epsilon_low: float = setting(
        0.2,
        Section.GROUP,
        ("Clip ε low", "The ratio is clipped below 1 − ε."),
        ("裁剪 ε 下", "比值下限为 1 − ε。"),
        advanced=True,
        ge=0,
        lt=1,
    )
    epsilon_high: float = setting(
        0.2,
        Section.GROUP,
        ("Clip ε high", "The ratio is clipped above 1 + ε."),
        ("裁剪 ε 上", "比值上限为 1 + ε。"),
        advanced=True,
        ge=0,
        le=10,
    )
    loss_type: LossType = setting(
        LossType.DAPO,
        Section.GROUP,
        ("Loss", "How token losses are summed: dapo divides by the kept tokens of the whole step."),
        ("损失形式", "词元损失如何汇总：dapo 除以整步保留的词元数。"),
        advanced=True,
    )
    temperature: float = setting(
        1.0,
        Section.LENGTHS,
        ("Temperature", "Of sampling while training; 1 samples from the model itself."),
        ("温度", "训练采样的温度；1 即模型自身分布。"),
        gt=0,
        le=5,
    )
    max_completion_length: int = setting(
        40,
        Section.LENGTHS,
        ("Longest completion", "In tokens; longer ones are cut and marked."),
        ("最长回答", "以词元计；超出则截断并标记。"),
        ge=1,
        le=32_768,
    )

    @model_validator(mode="after")
    def _batches_fit(self) -> GrpoRecipe:
        _check_multiple("batch_size", self.batch_size, "group_size", self.group_size)
        names = [use.name for use in self.rules]
        if len(set(names)) != len(names):
            raise PydanticCustomError("recipe_rule_twice", "a rule stands twice", {"rules": ", ".join(names)})
        return self


class _OnPairs(_Adapted):
    """Recipes that read preferences: prompt, chosen, rejected."""

    batch_size: int = setting(
        32,
        Section.OPTIMISER,
        ("Batch", "Preferences in one optimiser step."),
        ("批大小", "每步优化用多少条偏好。"),
        ge=1,
        le=4096,
    )
    micro_batch_size: int = setting(
        32,
        Section.MACHINE,
        ("Micro-batch", "At most so many preferences in one forward and backward pass; smaller needs less memory."),
        ("微批大小", "一次前向与反向最多多少条偏好；越小越省内存。"),
        advanced=True,
        ge=1,
        le=4096,
    )
    max_length: int = setting(
        128,
        Section.LENGTHS,
        ("Longest row", "Prompt and completion together, in tokens."),
        ("最长行", "提示与回答合计的词元数。"),
        ge=8,
        le=131_072,
    )


class RmRecipe(_OnPairs):
    """A reward model: Bradley–Terry on preferences, a head with one output on the policy's own base."""

    algorithm: Literal["rm"] = "rm"
    batch_size: int = other_default(_OnPairs, "batch_size", 64)
    micro_batch_size: int = other_default(_OnPairs, "micro_batch_size", 64)


class DpoRecipe(_OnPairs):
    """DPO: straight from preferences, no reward model; the reference is the start."""

    algorithm: Literal["dpo"] = "dpo"
    learning_rate: float = other_default(_OnPairs, "learning_rate", 5e-4)
    beta: float = setting(
        0.1,
        Section.GROUP,
        ("β", "How closely the policy stays by the reference: smaller moves further."),
        ("β", "策略与参考模型的贴近程度：越小走得越远。"),
        gt=0,
        le=10,
    )


AnyRecipe = Annotated[PretrainRecipe | SftRecipe | RmRecipe | DpoRecipe | GrpoRecipe, Field(discriminator="algorithm")]
RECIPES: dict[str, type[Recipe]] = {
    "pretrain": PretrainRecipe,
    "sft": SftRecipe,
    "rm": RmRecipe,
    "dpo": DpoRecipe,
    "grpo": GrpoRecipe,
}
"""One line an algorithm registers it."""

_ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyRecipe)


def _check_multiple(name: str, value: int, of: str, unit: int) -> None:
    """Raise where ``value`` is no multiple of ``unit``; the error names the two nearest that are."""
    if value % unit:
        below = max(unit, value // unit * unit)
        context = {
            "field": name,
            "value": value,
            "of": of,
            "unit": unit,
            "below": below,
            "above": (value // unit + 1) * unit,
        }
        raise PydanticCustomError("recipe_not_a_multiple", "{field} is no multiple of {of}", context)


def parse(values: dict[str, Any], source: str = "recipe") -> Recipe:
    """A validated recipe from plain values; RecipeError (one sentence, the first thing wrong) where they do not fit.

    ``source`` names the file or form in the sentence.
    """
    algorithm = values.get("algorithm")
    if algorithm not in RECIPES:
        raise RecipeError("recipe_algorithm", source=source, value=str(algorithm), known=", ".join(RECIPES))
    try:
        recipe: Recipe = _ADAPTER.validate_python(values)
        return recipe
    except ValidationError as error:
        raise _first_problem(error, RECIPES[algorithm], source) from None


def with_values(recipe: Recipe, changes: dict[str, Any], source: str = "recipe") -> Recipe:
    """The recipe with some fields changed, validated anew; keys may be dotted (``threshold.kind``)."""
    values = recipe.model_dump(mode="json")
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        place = values
        for part in path:
            if not isinstance(place.get(part), dict):
                raise _unknown_key(dotted, type(recipe), source)
            place = place[part]
        place[last] = value
    return parse(values, source)


def _first_problem(error: ValidationError, model: type[Recipe], source: str) -> RecipeError:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"] if part not in RECIPES)
    context = {k: v for k, v in problem.get("ctx", {}).items() if k != "error"}
    kind = problem["type"]
    if kind.startswith("recipe_"):
        return RecipeError(kind, source=source, **context)
    if kind == "extra_forbidden":
        return _unknown_key(where, model, source)
    return RecipeError(
        "recipe_value",
        source=source,
        field=where,
        value=repr(problem["input"])[:80],
        why=problem["msg"][0].lower() + problem["msg"][1:],
    )


def _unknown_key(key: str, model: type[Recipe], source: str) -> RecipeError:
    known = sorted(model.model_fields)
    near = difflib.get_close_matches(key.split(".")[-1], known, n=1, cutoff=0.5)
    return RecipeError("recipe_unknown_key", source=source, field=key, nearest=near[0] if near else ", ".join(known))


def snap_to_multiple(value: int, unit: int) -> int:
    """The multiple of ``unit`` nearest to ``value``, at least one of it: how the form keeps the batch valid."""
    return max(unit, round(value / unit) * unit)


def micro_batch(batch_size: int, at_most: int) -> int:
    """The largest divisor of the batch that is not above ``at_most``."""
    return max(size for size in range(1, min(batch_size, at_most) + 1) if batch_size % size == 0)
