"""Ollama's template says what the model's own says, or is not written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.store.models import ModelRef
from lab.training.models.base import load_tokens
from lab.training.models.tokens import Tokens, render_text
from lab.training.out.modelfile import modelfile, template_pieces
from tests.training.variants import TEMPLATES, make_variant

CHATML = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|user|>be kind<|end|>\n{% endif %}"
    "<|user|>{{ m['role'] + '\\n' + m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|user|>assistant\n{% endif %}"
)
"""As SmolLM2's: a system text of its own where none is given."""
SAID = [
    {"role": "user", "content": "3x + 5 = 20?"},
    {"role": "assistant", "content": "x = 5"},
    {"role": "user", "content": "Sure?"},
]


def tokens(folder: Path, name: str = "own", template: str = "") -> Tokens:
    path = make_variant(folder / "model", name)
    if template:
        (path / "chat_template.jinja").write_text(template, "utf-8")
    return load_tokens(ModelRef("a", str(path)))


def as_ollama(text: str, turns: list[dict[str, str]]) -> str:
    """What a Go template of the form that ``modelfile.py`` writes gives."""
    template = re.search(r'TEMPLATE """(.*?)"""', text, re.S)[1]  # type: ignore[index]
    head, loop, asking = re.fullmatch(
        r"(.*?)\{\{ range \.Messages \}\}(.*)\{\{ end \}\}\{\{ end \}\}(.*)", template, re.S
    ).groups()  # type: ignore[union-attr]
    led = re.fullmatch(r'\{\{ if ne \(index \.Messages 0\)\.Role "system" \}\}(.*)\{\{ end \}\}', head, re.S)
    if led:
        head = led[1] if turns[0]["role"] != "system" else ""
    cases = dict(re.findall(r'\{\{ (?:else )?if eq \.Role "(\w+)" \}\}(.*?)(?=\{\{ else if|\Z)', loop, re.S))
    return head + "".join(cases[turn["role"]].replace("{{ .Content }}", turn["content"]) for turn in turns) + asking


@pytest.mark.parametrize("name", ["own", "new_line", "refuses"])
def test_the_template_says_the_same(tmp_path: Path, name: str) -> None:
    known = tokens(tmp_path, name)
    text = modelfile(["FROM ."], known)
    for turns in (SAID[:1], SAID):
        assert as_ollama(text, turns) == render_text(known.tokenizer, turns, ask=True)
    assert 'PARAMETER stop "<|end|>"' in text and text.startswith("FROM .\n")


def test_a_system_text_of_the_template_s_own(tmp_path: Path) -> None:
    known = tokens(tmp_path, template=CHATML)
    text = modelfile(["FROM ."], known)
    for turns in (SAID, [{"role": "system", "content": "Be terse."}, *SAID]):
        assert as_ollama(text, turns) == render_text(known.tokenizer, turns, ask=True)


def test_a_template_that_changes_messages_is_left_to_the_model_s_files(tmp_path: Path) -> None:
    known = tokens(tmp_path, template="{% for m in messages %}{{ loop.index }}{{ m['content'] }}<|end|>{% endfor %}")
    assert template_pieces(known) is None
    assert "TEMPLATE" not in modelfile(["FROM ."], known)


def test_every_known_template_gives_the_same_or_none(tmp_path: Path) -> None:
    whole = []
    for name in TEMPLATES:
        (tmp_path / name).mkdir()
        known = tokens(tmp_path / name, name)
        pieces = template_pieces(known)
        whole += [name] if pieces else []
        assert pieces is None or pieces.conversation(SAID) == render_text(known.tokenizer, SAID, ask=True)
    assert whole, "or nothing was compared"
