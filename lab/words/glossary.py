"""The glossary as the browser shows it: every term in both languages, which terms it leads on to, and the fields of a recipe that it explains.

The words stand in ``en/glossary.toml`` and ``zh/glossary.toml``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from lab.words import LOCALES, subject_words, table

PARTS = ("term", "also", "text")
SEE: dict[str, tuple[str, ...]] = {
    "reward": ("rule", "advantage", "reward_model"),
    "rule": ("reward", "reward_hacking"),
    "reward_model": ("bradley_terry", "preference", "reward"),
    "bradley_terry": ("preference", "reward_model", "sigmoid"),
    "sigmoid": ("bradley_terry", "std"),
    "nats": ("kl", "logp"),
    "preference": ("judgement", "dpo"),
    "judgement": ("preference",),
    "policy": ("reference", "logp"),
    "reference": ("kl", "policy"),
    "group": ("mean", "std", "threshold"),
    "mean": ("group", "advantage"),
    "std": ("group", "advantage"),
    "advantage": ("mean", "std", "gae"),
    "threshold": ("kept", "group"),
    "kept": ("threshold",),
    "ratio": ("clip", "logp"),
    "clip": ("ratio", "clip_ratio"),
    "clip_ratio": ("clip", "ratio"),
    "logp": ("logits", "token"),
    "logits": ("token", "entropy"),
    "token": ("logp",),
    "entropy": ("logits", "temperature"),
    "temperature": ("entropy",),
    "kl": ("reference", "beta"),
    "beta": ("kl", "dpo"),
    "loss": ("gradient", "learning_rate"),
    "gradient": ("loss", "learning_rate"),
    "learning_rate": ("warmup", "gradient"),
    "warmup": ("learning_rate",),
    "batch": ("step", "learning_rate"),
    "step": ("batch", "rollout"),
    "rollout": ("step", "iterations"),
    "iterations": ("rollout", "clip"),
    "value": ("critic", "gae"),
    "critic": ("value", "gae"),
    "gae": ("value", "delta", "advantage"),
    "delta": ("gae", "value"),
    "whitening": ("advantage", "std"),
    "pretraining": ("sft", "token"),
    "sft": ("pretraining", "dpo"),
    "ppo": ("critic", "clip", "gae"),
    "dpo": ("preference", "beta"),
    "grpo": ("group", "advantage", "clip"),
    "pass_at_1": ("held_out",),
    "held_out": ("pass_at_1",),
    "adapter": ("lora_rank", "base"),
    "lora_rank": ("adapter",),
    "base": ("adapter", "quantisation"),
    "quantisation": ("base", "adapter"),
    "kappa": ("judgement",),
    "reward_hacking": ("rule", "held_out"),
    "fallback": ("rule",),
    "truncated": ("token",),
}
"""The terms, in no order that matters, and those that each leads on to."""
FIELDS: dict[str, str] = {
    "steps": "step",
    "learning_rate": "learning_rate",
    "warmup_steps": "warmup",
    "max_grad_norm": "gradient",
    "batch_size": "batch",
    "measure_samples": "held_out",
    "measure_on": "held_out",
    "training": "adapter",
    "lora_rank": "lora_rank",
    "lora_alpha": "lora_rank",
    "load_in_4bit": "quantisation",
    "reward_model": "reward_model",
    "group_size": "group",
    "rules": "rule",
    "iterations": "iterations",
    "epsilon_low": "clip",
    "epsilon_high": "clip",
    "loss_type": "loss",
    "max_kl": "kl",
    "kl_coefficient": "kl",
    "critic": "critic",
    "gae_lambda": "gae",
    "discount": "gae",
    "temperature": "temperature",
    "beta": "beta",
    "threshold-kind": "threshold",
    "scale_rewards": "std",
    "skip_no_spread": "std",
}
"""The fields of the Train form that a term explains, by the end of their place's id."""


@cache
def glossary() -> dict[str, Any]:
    """``{"en" | "zh": {key: {"term", "also", "text", "see"}}, "fields": {field: key}}``."""
    words: dict[str, Any] = {
        locale: {
            key: {**{part: table(locale)[f"glossary.{key}.{part}"] for part in PARTS}, "see": list(see)}
            for key, see in SEE.items()
        }
        for locale in LOCALES
    }
    return {**words, "fields": FIELDS}


def glossary_words() -> dict[str, dict[str, str]]:
    """The words around the terms, by language."""
    return subject_words("glossary_page.")
