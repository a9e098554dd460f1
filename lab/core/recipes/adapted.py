"""What recipes have that train a given model: an adapter or all weights, four bits, checkpointing, the longest row."""

from __future__ import annotations

from enum import StrEnum

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from lab.core.recipes.common import EQUATIONS, Recipe
from lab.core.recipes.fields import Section, setting
from lab.core.row_lengths import SHORTEST


class Training(StrEnum):
    """What is trained: all weights, or a LoRA adapter on the frozen base."""

    FULL = "full"
    LORA = "lora"


class TasksIn(StrEnum):
    """The language of the lab's own equations."""

    BOTH = "both"
    CHINESE = "zh"
    ENGLISH = "en"


class AdaptedRecipe(Recipe):
    """Recipes that train a given model, fully or through a LoRA adapter."""

    tasks_in: TasksIn = setting(
        TasksIn.BOTH,
        Section.WHAT,
        ("Tasks in", "The lab's equations in both languages, or in one alone: to train on and to measure on."),
        ("题目语言", "自带的方程题用两种语言，还是只用一种：训练和测量都如此。"),
        advanced=True,
    )

    training: Training = setting(
        Training.LORA,
        Section.ADAPTER,
        ("Train", "`lora` trains a small adapter on the frozen base; `full` trains all weights."),
        ("训练方式", "`lora` 只训练冻结基座上的小适配器；`full` 训练全部权重。"),
    )
    lora_rank: int = setting(
        16,
        Section.ADAPTER,
        ("LoRA rank", "The width of the adapter's matrices; a start that is an adapter keeps its own."),
        ("LoRA 秩", "适配器矩阵的宽度；起点若是适配器，则沿用它的秩。"),
        between=(1, 512),
    )
    lora_alpha: int = setting(
        32,
        Section.ADAPTER,
        ("LoRA alpha", "The adapter is scaled by alpha / rank."),
        ("LoRA alpha", "适配器按 alpha / 秩 缩放。"),
        advanced=True,
        between=(1, 2048),
    )
    system_in_first_turn: bool = setting(
        False,
        Section.WHAT,
        (
            "System text in the first question",
            "Puts a system message before the first question, for models whose chat template refuses the system role.",
        ),
        ("系统提示并入首个问题", "把 system 消息放到第一个问题之前，用于对话模板不接受 system 角色的模型。"),
        advanced=True,
    )
    load_in_4bit: bool = setting(
        False,
        Section.ADAPTER,
        ("4-bit base (QLoRA)", "Load the frozen base in NF4. Saves memory; on a CPU it costs time."),
        ("4 比特基座（QLoRA）", "以 NF4 载入冻结基座：省内存；在 CPU 上会变慢。"),
    )
    gradient_checkpointing: bool = setting(
        False,
        Section.MACHINE,
        ("Gradient checkpointing", "Trades time for memory: activations are computed twice."),
        ("梯度检查点", "用时间换内存：激活值计算两次。"),
        advanced=True,
    )

    shard_base: bool = setting(
        False,
        Section.MACHINE,
        (
            "Shard the base (FSDP)",
            "Each process keeps its part of the frozen base and gathers a layer while it computes with it; needs LoRA and processes.",
        ),
        ("分片基座（FSDP）", "每个进程只保存冻结基座的一部分，计算某层时才收集该层；需要 LoRA 和多个进程。"),
        advanced=True,
    )

    @property
    def trains_all_weights(self) -> bool:
        return self.training is Training.FULL

    @model_validator(mode="after")
    def _only_equations_have_a_language(self) -> AdaptedRecipe:
        if self.tasks_in is not TasksIn.BOTH and self.dataset != EQUATIONS:
            context = {"dataset": self.dataset, "language": self.tasks_in.value}
            raise PydanticCustomError("recipe_tasks_in", "only the equations have a language to choose", context)
        return self

    @property
    def task_languages(self) -> tuple[str, ...]:
        return ("en", "zh") if self.tasks_in is TasksIn.BOTH else (self.tasks_in.value,)

    @model_validator(mode="after")
    def _four_bits_need_lora(self) -> AdaptedRecipe:
        if self.load_in_4bit and self.training is Training.FULL:
            raise PydanticCustomError("recipe_4bit_needs_lora", "a 4-bit base trains through LoRA only", {})
        return self

    @model_validator(mode="after")
    def _processes_share_a_frozen_base(self) -> AdaptedRecipe:
        if self.shard_base and self.training is Training.FULL:
            raise PydanticCustomError("recipe_shard_needs_lora", "only a frozen base is sharded", {})
        if self.shard_base and self.processes == 1:
            raise PydanticCustomError("recipe_shard_alone", "one process has nobody to share the base with", {})
        return self


class RowsRecipe(AdaptedRecipe):
    """Recipes that train on whole rows: a prompt with its completion, or with both responses of a pair."""

    max_length: int = setting(
        0,
        Section.LENGTHS,
        (
            "Longest row",
            "Prompt and completion together, in tokens; 0 takes what the data needs, within the model's context.",
        ),
        ("最长行", "提示与回答合计的词元数；0 表示按数据所需取值，不超过模型的上下文。"),
        between=(0, 131_072),
    )

    @model_validator(mode="after")
    def _rows_have_room(self) -> RowsRecipe:
        if 0 < self.max_length < SHORTEST:
            context = {"value": self.max_length, "least": SHORTEST}
            raise PydanticCustomError("recipe_too_short", "no row fits", context)
        return self
