"""What every algorithm's recipe has. What those have that train a given model is ``adapted.py``'s."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lab.core.recipes.fields import Section, Strict, check_multiple, micro_batch, setting

if TYPE_CHECKING:
    from lab.core.recipes.sampling import RuleUse

EQUATIONS = "equations"
"""The data set that the lab makes itself."""


class Schedule(StrEnum):
    """How the learning rate moves after the warm-up."""

    CONSTANT = "constant"
    LINEAR = "linear"
    COSINE = "cosine"


class Device(StrEnum):
    """Where the run computes; auto takes CUDA, then MPS, then the CPU."""

    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


class Precision(StrEnum):
    """The number format of weights and computation; auto is bf16 on CUDA, fp32 on MPS, and on a CPU what a measurement says is faster."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Tracker(StrEnum):
    """An experiment tracker that gets a copy of a run's metrics; the value is the package's name."""

    NONE = ""
    TRACKIO = "trackio"
    WANDB = "wandb"
    TENSORBOARD = "tensorboard"


class MeasuredOn(StrEnum):
    """Which problems a run is measured on: those that are reported, or those that settings are chosen by."""

    HELD_OUT = "held_out"
    VALIDATION = "validation"


class Recipe(Strict):
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
        (
            "Start from",
            "The model to start from: `tiny` (shipped), `run:ID` (an earlier run), a folder, or a hub id, which is fetched first.",
        ),
        ("起点模型", "从哪个模型开始：`tiny`（自带）、`run:ID`（之前的运行）、本地文件夹或 Hub 上的 id（须先下载）。"),
        min_length=1,
        max_length=400,
    )
    dataset: str = setting(
        EQUATIONS,
        Section.WHAT,
        (
            "Data",
            "`equations`, a file (JSONL, JSON, CSV, Parquet), `hub:org/name/config@split`, `version:ID` or `groups:RUN_ID` (pairs).",
        ),
        (
            "数据",
            "`equations`、文件（JSONL、JSON、CSV、Parquet）、`hub:org/name/config@split`、`version:ID` 或 `groups:运行ID`（偏好对）。",
        ),
        min_length=1,
        max_length=400,
    )
    seed: int = setting(
        1,
        Section.WHAT,
        ("Seed", "The same recipe with the same seed gives the same run on the same machine."),
        ("随机种子", "同一配方、同一种子、同一机器，得到同样的运行。"),
        between=(0, 2**31 - 1),
    )
    steps: int = setting(
        150,
        Section.OPTIMISER,
        ("Steps", "How many optimiser steps the run takes in all."),
        ("训练步数", "总共做多少步优化。"),
        between=(1, 1_000_000),
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
        between=(0, 100_000),
    )
    weight_decay: float = setting(
        0.0,
        Section.OPTIMISER,
        ("Weight decay", "Pulls weights towards 0 at each step (AdamW)."),
        ("权重衰减", "每步把权重拉向 0（AdamW）。"),
        advanced=True,
        between=(0, 1),
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
        between=(1, 100_000),
    )
    measure_every: int = setting(
        0,
        Section.MEASURE,
        ("Measure every", "Steps between held-out measurements while training; 0 measures only before and after."),
        ("测量间隔", "训练中每隔多少步在留出集上测量；0 表示只在前后测量。"),
        between=(0, 100_000),
    )
    measure_samples: int = setting(
        1024,
        Section.MEASURE,
        ("Held-out samples", "Completions sampled for each held-out measurement; 0 turns measuring off."),
        ("留出集样本数", "每次测量采样多少条回答；0 表示不测量。"),
        between=(0, 100_000),
    )
    measure_on: MeasuredOn = setting(
        MeasuredOn.HELD_OUT,
        Section.MEASURE,
        (
            "Measure on",
            "`held_out` is what is reported; choose settings on `validation`. The lab's equations have both, other data only `held_out`.",
        ),
        (
            "测量用的题目",
            "`held_out` 用于报告结果；调参请用 `validation`。只有自带的方程有两者，其他数据只有 `held_out`。",
        ),
        advanced=True,
    )
    max_seconds: float = setting(
        0.0,
        Section.MACHINE,
        (
            "End after seconds",
            "The run takes no further step once it has worked so long, and is measured then; 0 takes all steps.",
        ),
        ("最多用时（秒）", "运行用时达到此秒数后不再训练，随即测量；0 表示做完全部步数。"),
        advanced=True,
        between=(0, 1e9),
    )
    max_tokens_trained: int = setting(
        0,
        Section.MACHINE,
        (
            "End after tokens trained",
            "The run takes no further step once so many tokens have trained; 0 takes all steps.",
        ),
        ("最多训练词元数", "训练过的词元达到此数后不再训练；0 表示做完全部步数。"),
        advanced=True,
        between=(0, 10**12),
    )
    max_tokens_generated: int = setting(
        0,
        Section.MACHINE,
        (
            "End after tokens generated",
            "The run takes no further step once it has written so many tokens; 0 takes all steps.",
        ),
        ("最多生成词元数", "生成的词元达到此数后不再训练；0 表示做完全部步数。"),
        advanced=True,
        between=(0, 10**12),
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
        (
            "Precision",
            "Number format; auto is bf16 on CUDA, and on a CPU where it is measured to be faster; else fp32.",
        ),
        ("精度", "数值格式；auto 在 CUDA 上为 bf16，在 CPU 上实测更快时也为 bf16，否则为 fp32。"),
        advanced=True,
    )
    processes: int = setting(
        1,
        Section.MACHINE,
        ("Processes", "Workers that share each step's rows: one a GPU, or some of the CPU's cores each."),
        ("进程数", "多少个工作进程分担每一步的数据：每个 GPU 一个，或各用一部分 CPU 核心。"),
        advanced=True,
        between=(1, 64),
    )
    report_to: Tracker = setting(
        Tracker.NONE,
        Section.MACHINE,
        (
            "Report to",
            "Send each step's metrics to a tracker as well: `trackio`, `wandb` or `tensorboard`, which must be installed. Empty: none.",
        ),
        ("同时上报到", "把每步指标也发给实验跟踪工具：`trackio`、`wandb` 或 `tensorboard`（须已安装）。留空则不上报。"),
        advanced=True,
    )

    @property
    def spending_limits(self) -> dict[str, float]:
        """What the run may spend, by the names in result.json; empty where only its steps bound it."""
        limits = {
            "seconds": self.max_seconds,
            "tokens_trained": self.max_tokens_trained,
            "tokens_generated": self.max_tokens_generated,
        }
        return {name: limit for name, limit in limits.items() if limit}

    # What others ask of any recipe: the value of a setting where the recipe has it, else what stands here.

    @property
    def trains_all_weights(self) -> bool:
        """Whether every weight is trained, and not an adapter."""
        return True

    @property
    def four_bit_base(self) -> bool:
        """Whether the frozen base is loaded in NF4."""
        return bool(getattr(self, "load_in_4bit", False))

    @property
    def shards_base(self) -> bool:
        """Whether each process keeps a part of the frozen base alone."""
        return bool(getattr(self, "shard_base", False))

    @property
    def in_one_process(self) -> dict[str, object]:
        """The changes that make it a recipe of one process, which takes the same updates."""
        return {"processes": 1, **({"shard_base": False} if self.shards_base else {})}

    @property
    def recomputes_activations(self) -> bool:
        """Whether gradient checkpointing is on."""
        return bool(getattr(self, "gradient_checkpointing", False))

    @property
    def reward_run(self) -> str:
        """The reward model that rewards completions (``run:ID``), empty where there is none."""
        return str(getattr(self, "reward_model", ""))

    @property
    def watched_pairs(self) -> str:
        """The judged pairs that are measured and not trained on, empty where there are none."""
        return str(getattr(self, "watch_preferences", ""))

    @property
    def rule_uses(self) -> tuple[RuleUse, ...] | None:
        """The rules that reward completions; None where the algorithm uses none."""
        uses: tuple[RuleUse, ...] | None = getattr(self, "rules", None)
        return uses

    @property
    def rules_factor(self) -> float:
        """What the rules' weighted sum counts for in the reward."""
        return float(getattr(self, "rules_weight", 1.0))

    @property
    def updates_per_rollout(self) -> int:
        """Optimiser steps on the same completions; 1 where nothing is sampled."""
        return int(getattr(self, "iterations", 1))

    @property
    def rollouts_by_vllm(self) -> bool:
        """Whether a vLLM engine writes the completions, and not the model in training."""
        return getattr(self, "rollouts", "") == "vllm"

    @property
    def rows_per_step(self) -> int:
        """Rows (completions, preferences, texts) in one optimiser step."""
        return int(self.batch_size)  # type: ignore[attr-defined]  # every recipe has the field, with words of its own

    @property
    def rows_per_pass(self) -> int:
        """Rows (completions, preferences, texts) in one forward and backward pass of one process."""
        of_process = self.rows_per_step // self.processes
        return micro_batch(of_process, getattr(self, "micro_batch_size", of_process))

    @property
    def rows_per_micro_batch(self) -> int:
        """Rows in one forward and backward pass of all processes together."""
        return self.rows_per_pass * self.processes

    @property
    def rows_together(self) -> int:
        """Rows that no two processes may share: those of a group, where completions are compared with each other."""
        return int(getattr(self, "group_size", 1))

    @property
    def group_margin(self) -> float:
        """By how much two completions of a group must differ in reward to become a pair (``groups:RUN_ID``)."""
        return float(getattr(self, "pair_margin", 0.0))

    @property
    def trains_every_answer(self) -> bool:
        """Whether the loss counts every message of the assistant in a conversation, and not only the last one."""
        return False

    @property
    def moves_system_text(self) -> bool:
        """Whether a system message is put before the first question."""
        return bool(getattr(self, "system_in_first_turn", False))

    @property
    def row_limit(self) -> int:
        """Tokens after which a row is cut; 0 where the data decides, and where there are no rows but prompts."""
        return int(getattr(self, "max_length", 0))

    @property
    def kl_limit(self) -> float:
        """The KL above which the run is ended, in nats a token; 0 where it has no such limit."""
        return float(getattr(self, "max_kl", 0.0))

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles on the base, the trained one first; what pretraining and SFT train is called the policy too."""
        return ("policy",)

    @property
    def bases_in_memory(self) -> int:
        """One, and a second where all weights are trained and compared with their start."""
        return 2 if self.trains_all_weights and "reference" in self.roles else 1

    @property
    def task_languages(self) -> tuple[str, ...]:
        """The languages of the lab's own tasks that are trained and measured on."""
        return ("en", "zh")

    @model_validator(mode="after")
    def _processes_share_the_batch(self) -> Recipe:
        of = "processes" if self.rows_together == 1 else "processes × group_size"
        if self.processes > 1:
            check_multiple("batch_size", self.rows_per_step, of, self.processes * self.rows_together)
        return self

    @model_validator(mode="after")
    def _only_equations_have_a_validation_split(self) -> Recipe:
        if self.measure_on is MeasuredOn.VALIDATION and self.dataset != EQUATIONS:
            raise PydanticCustomError("recipe_no_validation", "there is no validation split", {"dataset": self.dataset})
        return self
