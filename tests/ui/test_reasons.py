"""Every reason that the core or the data gives has its words, in both languages; and every loss the words of its algorithm."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.core.agreement import WhyUndefined
from lab.core.preferences import WhyNotDerived
from lab.core.recipes import RECIPES
from lab.data.left_out import WhyLeftOut
from lab.ui.components import live_curves
from lab.ui.components.shared.assemble import read_words
from lab.words import table


@pytest.mark.parametrize("locale", ["en", "zh"])
@pytest.mark.parametrize(
    ("section", "reasons"),
    [("left_out", WhyLeftOut), ("not_derived", WhyNotDerived), ("why_undefined", WhyUndefined)],
)
def test_every_reason_has_words(locale: str, section: str, reasons: type[WhyLeftOut]) -> None:
    words = {key.removeprefix(f"{section}.") for key in table(locale) if key.startswith(f"{section}.")}
    assert words == {str(reason) for reason in reasons}


@pytest.mark.parametrize("locale", ["en", "zh"])
@pytest.mark.parametrize("algorithm", RECIPES)
def test_a_loss_is_explained_as_what_its_algorithm_makes_of_it(locale: str, algorithm: str) -> None:
    """A surprise at the next token is what two of them have; of the others' losses it would be untrue."""
    words = read_words(Path(str(live_curves.__file__)).parent)[locale]
    assert (f"why_loss_{algorithm}" in words) == (algorithm not in ("pretrain", "sft"))
