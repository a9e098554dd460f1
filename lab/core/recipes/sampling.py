"""What the recipes share that sample from the policy while they train: groups, rules, the clipped update, lengths."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from lab.core.recipes.adapted import AdaptedRecipe, Training
from lab.core.recipes.common import EQUATIONS, Device
from lab.core.recipes.fields import Section, Strict, check_multiple, micro_batch_at_most, setting


class LossType(StrEnum):
    """How token losses are summed up: see docs/algorithms.md."""

    DAPO = "dapo"
    GRPO = "grpo"
    BNPO = "bnpo"
    DR_GRPO = "dr_grpo"


class Rollouts(StrEnum):
    """What writes the completions of a step."""

    TRANSFORMERS = "transformers"
    """The model in training itself."""
    VLLM = "vllm"
    """An engine on the same GPU, which is given the policy's adapter before each rollout."""


class ImportanceCorrection(StrEnum):
    """How a token's gain is weighed by π_old / π_sampler where an engine wrote it: trl's ``vllm_importance_sampling_mode``."""

    OFF = "off"
    TOKEN_TRUNCATE = "token_truncate"
    TOKEN_MASK = "token_mask"
    SEQUENCE_TRUNCATE = "sequence_truncate"
    SEQUENCE_MASK = "sequence_mask"


LONGEST_SOURCE = 64 * 1024
"""Bytes of UTF-8 that a written rule's source may have."""

WRITTEN_ONLY = ("description", "low", "high")
"""What only a written rule has of its own."""

NOT_JUDGED = ("hub:", "groups:", "run:")
"""Beginnings of names of data that hold no choice of people's."""


class RuleUse(Strict):
    """A rule of a rule set, with its weight and the score that stands in where it fails.

    Without a ``source`` it is a rule that the lab has under that name; with one it is a written rule, and this is all of it: a
    recipe that names it holds the exact text that the run uses.
    """

    name: str = Field(min_length=1, max_length=80)
    weight: float = Field(1.0, ge=-100, le=100)
    fallback: float = Field(0.0, ge=-1e6, le=1e6)
    source: str | None = Field(None, max_length=LONGEST_SOURCE)
    description: str = Field("", max_length=2000)
    low: float = Field(0.0, ge=-1e6, le=1e6)
    high: float = Field(1.0, ge=-1e6, le=1e6)

    @model_validator(mode="after")
    def _of_one_kind(self) -> RuleUse:
        given = [name for name in WRITTEN_ONLY if name in self.model_fields_set]
        if self.source is None and given:
            context = {"rule": self.name, "field": given[0]}
            raise PydanticCustomError("recipe_rule_by_name", "only a rule with a source has {field}", context)
        if not self.name.isprintable() or self.name != self.name.strip():
            raise PydanticCustomError("recipe_rule_name", "no name for a rule", {"rule": repr(self.name)})
        return self

    @model_serializer(mode="wrap")
    def _as_short_as_can_be(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = serialize(self)
        if self.source is not None:
            return values
        return {key: value for key, value in values.items() if key not in ("source", *WRITTEN_ONLY)}


def check_each_once(rules: Sequence[RuleUse]) -> None:
    """Raise where a rule of a set stands in it twice."""
    names = [rule.name for rule in rules]
    if len(set(names)) != len(names):
        raise PydanticCustomError("recipe_rule_twice", "a rule stands twice", {"rules": ", ".join(names)})


class SampledRecipe(AdaptedRecipe):
    """Recipes that sample completions, reward them and update the policy in clipped steps."""

    group_size: int = setting(
        8,
        Section.GROUP,
        ("Group size K", "Completions sampled for each prompt; their mean is the baseline."),
        ("组大小 K", "每个提示采样多少条回答；其均值即基线。"),
        between=(2, 256),
    )
    batch_size: int = setting(
        64,
        Section.GROUP,
        ("Batch", "Completions in one optimiser step: a multiple of K."),
        ("批大小", "每步优化的回答数：K 的倍数。"),
        between=(2, 8192),
    )
    micro_batch_size: int = micro_batch_at_most(64, "completions", "条回答", most=8192)
    rules: tuple[RuleUse, ...] = setting(
        (RuleUse(name="equals_answer"), RuleUse(name="integer_answer"), RuleUse(name="consistent")),
        Section.GROUP,
        (
            "Rules",
            "The rule set that rewards each completion; the Rules tab makes others. The run keeps its exact text.",
        ),
        ("规则", "给每条回答打分的规则集；可在“规则”页另写。运行会保存其确切文本。"),
        min_length=1,
        max_length=32,
    )
    iterations: int = setting(
        1,
        Section.GROUP,
        (
            "Updates per rollout",
            "How often each rollout is used. With 1 the ratio is exactly 1 and clipping never acts.",
        ),
        ("每批更新次数", "每批采样用几次。为 1 时比值恒为 1，裁剪不起作用。"),
        between=(1, 16),
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
        between=(0, 10),
    )
    loss_type: LossType = setting(
        LossType.DAPO,
        Section.GROUP,
        ("Loss", "How token losses are summed: dapo divides by the kept tokens of the whole step."),
        ("损失形式", "词元损失如何汇总：dapo 除以整步保留的词元数。"),
        advanced=True,
    )
    max_kl: float = setting(
        5.0,
        Section.GROUP,
        (
            "KL that ends the run",
            "Nats a token from the start, three rollouts in a row; where β is 0 it is not known. 0 turns this off.",
        ),
        ("终止运行的 KL", "连续三批采样，每词元与起点的 KL（纳特）都超过此值即结束；β 为 0 时无从得知。0 表示关闭。"),
        advanced=True,
        between=(0, 1000),
    )
    temperature: float = setting(
        1.0,
        Section.LENGTHS,
        ("Temperature", "Of sampling while training; 1 samples from the model itself."),
        ("温度", "训练采样的温度；1 即模型自身分布。"),
        gt=0,
        le=5,
    )
    importance_correction: ImportanceCorrection = setting(
        ImportanceCorrection.SEQUENCE_MASK,
        Section.GROUP,
        (
            "Importance correction",
            "Weighs each token by π_old / π_sampler where vLLM wrote it; beyond the cap, `truncate` takes the cap and `mask` takes 0.",
        ),
        (
            "重要性修正",
            "由 vLLM 采样时，给每个词元乘以 π_old / π_采样器；超过上限时，`truncate` 取上限，`mask` 取 0。",
        ),
        advanced=True,
    )
    importance_cap: float = setting(
        3.0,
        Section.GROUP,
        ("Importance cap", "The largest weight of the importance correction, of a token or of a whole completion."),
        ("重要性权重上限", "重要性修正的最大权重，按词元或按整条回答计。"),
        advanced=True,
        between=(1, 1000),
    )
    max_completion_length: int = setting(
        40,
        Section.LENGTHS,
        ("Longest completion", "In tokens; longer ones are cut and marked."),
        ("最长回答", "以词元计；超出则截断并标记。"),
        between=(1, 32_768),
    )
    rollouts: Rollouts = setting(
        Rollouts.TRANSFORMERS,
        Section.MACHINE,
        (
            "Rollouts by",
            "`transformers`: the model in training writes. `vllm`: an engine beside it on a CUDA GPU, which must be installed.",
        ),
        (
            "采样引擎",
            "`transformers`：由训练中的模型生成回答；`vllm`：由同一 CUDA GPU 上的引擎生成（须已安装）。",
        ),
        advanced=True,
    )
    rollout_memory: float = setting(
        0.3,
        Section.MACHINE,
        (
            "vLLM's share of the GPU",
            "Of the GPU's whole memory, for the engine's weights and cache; it comes on top of the estimate.",
        ),
        ("vLLM 占用的显存比例", "引擎的权重与缓存占整块 GPU 显存的比例；不计入内存估计。"),
        advanced=True,
        between=(0.05, 0.95),
    )

    watch_preferences: str = setting(
        "",
        Section.MEASURE,
        (
            "Judged pairs to watch",
            "`version:ID` or a file: each measurement tells how often the policy leans to what people chose. Never trained on.",
        ),
        (
            "要关注的偏好对",
            "`version:ID` 或偏好文件：每次测量都会报告策略有多常偏向人们选中的回答；其中的提示不参与训练。",
        ),
        max_length=400,
    )

    @model_validator(mode="after")
    def _watches_what_people_chose(self) -> SampledRecipe:
        name = self.watch_preferences
        if name == EQUATIONS or name.startswith(NOT_JUDGED):
            raise PydanticCustomError("recipe_watch_not_judged", "no judged pairs", {"value": name})
        if name and not self.measure_samples:
            raise PydanticCustomError("recipe_watch_unmeasured", "nothing is measured", {"value": name})
        return self

    @model_validator(mode="after")
    def _engine_can_write(self) -> SampledRecipe:
        if self.rollouts is Rollouts.TRANSFORMERS:
            return self
        if self.training is Training.FULL:
            raise PydanticCustomError("recipe_vllm_needs_lora", "the engine is sent an adapter", {})
        if self.processes > 1:
            raise PydanticCustomError("recipe_vllm_processes", "one process", {"value": self.processes})
        if self.device in (Device.CPU, Device.MPS):
            raise PydanticCustomError("recipe_vllm_device", "no CUDA", {"value": self.device.value})
        return self

    @model_validator(mode="after")
    def _batches_fit(self) -> SampledRecipe:
        check_multiple("batch_size", self.batch_size, "group_size", self.group_size)
        check_each_once(self.rules)
        return self
