"""Copies of the shipped tiny base whose tokenizers and templates behave as those of well-known models do. The weights stay the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.store.models import SHIPPED

ASSISTANT = (
    "{%- if m.role == 'assistant' %}<|assistant|>{% generation %}{{ CONTENT }}<|end|>{% endgeneration %}"
    "{%- else %}<|user|>{{ m.content }}<|end|>{%- endif %}"
)
ASK = "{%- if add_generation_prompt %}<|assistant|>OPENED{%- endif %}"


def template(*, before: str = "", content: str = "m.content", behind: str = "", opened: str = "") -> str:
    """A template in the tiny base's own tokens."""
    turn = ASSISTANT.replace("CONTENT", content) + behind
    return before + "{%- for m in messages %}" + turn + "{%- endfor %}" + ASK.replace("OPENED", opened)


REFUSES = (
    "{%- for m in messages %}{%- if m.role == 'system' %}{{ raise_exception('no system role here') }}{%- endif %}"
    "{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must take turns') }}{%- endif %}"
    "{%- endfor %}"
)
TEMPLATES = {
    "own": None,
    "new_line": template(behind="{{ '\\n' }}"),  # as ChatML of SmolLM2 and Qwen
    "refuses": template(before=REFUSES),  # as Gemma
    "thought": template(content="m.content.split('</think>')[-1]", opened="<think>{{ '\\n' }}"),  # as DeepSeek's R1
    "two_behind": template(
        behind="{%- if loop.last and m.role == 'assistant' %}{{ '\\n<|pad|>' }}{%- endif %}"
    ),  # as Phi
    "two_ends": None,  # as Gemma-it: the tokenizer's EOS is not what ends a turn
}
"""By name; None keeps the base's own."""


def make_variant(folder: Path, name: str = "own", **changes: dict[str, Any]) -> Path:
    """A model folder. ``changes`` are merged into the files of these names, ``tokenizer_config={"pad_token": …}`` for example."""
    shutil.copytree(SHIPPED["tiny"], folder)
    if (text := TEMPLATES[name]) is not None:
        (folder / "chat_template.jinja").write_text(text, "utf-8")
    if name == "two_ends":
        changes = {
            "tokenizer_config": {"eos_token": "<|pad|>"},
            "config": {"eos_token_id": 0},
            "generation_config": {"eos_token_id": [0, 1]},
        } | changes
    for file, change in changes.items():
        edit(folder / f"{file}.json", lambda data, change=change: data | change)
    return folder


def edit(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Rewrite a JSON file."""
    path.write_text(json.dumps(change(json.loads(path.read_text("utf-8"))), ensure_ascii=False), "utf-8")


def add_token(folder: Path, text: str, *, special: bool = True) -> int:
    """A token that the tokenizer has and the model may not; returns its id."""
    data = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    number = max(*data["model"]["vocab"].values(), *(token["id"] for token in data["added_tokens"])) + 1
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    data["added_tokens"].append({"id": number, "content": text, **flags, "special": special})
    (folder / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False), "utf-8")
    return number
