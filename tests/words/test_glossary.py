"""The glossary is whole: every term that something leads to is there, and nothing is there that nobody can reach."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import lab
from lab.core.algorithms import ALGORITHMS
from lab.words import form
from lab.words.glossary import FIELDS, SEE, glossary

COMPONENTS = Path(lab.__file__).parent / "ui" / "components"
WORDS = Path(lab.__file__).parent / "words"
WANTED = (
    *(
        "advantage",
        "std",
        "kl",
        "pass_at_1",
        "held_out",
        "lora_rank",
        "adapter",
        "entropy",
        "logits",
        "kappa",
        "gae",
        "warmup",
    ),
    *("mean", "kept", "value", "delta", "reward", "ratio", "clip", "truncated", "fallback"),
)


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_the_file_has_exactly_the_terms_that_are_listed(locale: str) -> None:
    written = tomllib.loads((WORDS / locale / "glossary.toml").read_text("utf-8"))["glossary"]
    assert set(written) == set(SEE)
    assert set(WANTED) <= set(written)
    for key, entry in written.items():
        assert entry["term"] and len(entry["text"]) >= 12, key


def test_a_term_leads_on_to_terms_that_exist_and_not_to_itself() -> None:
    for key, others in SEE.items():
        assert others and set(others) <= set(SEE) - {key}, key


def test_what_the_components_mark_is_explained() -> None:
    marked = {
        key
        for path in COMPONENTS.rglob("*")
        if path.suffix in (".js", ".toml")
        for key in re.findall(r'\[\[(\w+)\||\bterm\("(\w+)"|"data-term": "(\w+)"', path.read_text("utf-8"))
        for key in key
        if key
    }
    assert len(marked) > 20 and marked <= set(SEE), marked - set(SEE)


def test_the_fields_that_are_explained_exist() -> None:
    known = {field.path.replace(".", "-") for algorithm in ALGORITHMS for field in form.fields(algorithm)}
    assert set(FIELDS) <= known, set(FIELDS) - known
    assert set(FIELDS.values()) <= set(SEE)


def test_both_languages_are_sent_with_every_part() -> None:
    sent = glossary()
    for locale in ("en", "zh"):
        assert all({"term", "also", "text", "see"} == set(entry) for entry in sent[locale].values())
