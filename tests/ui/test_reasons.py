"""Every reason that the core or the data gives has its words, in both languages."""

from __future__ import annotations

import pytest

from lab.core.agreement import WhyUndefined
from lab.core.preferences import WhyNotDerived
from lab.data.left_out import WhyLeftOut
from lab.ui.text import table


@pytest.mark.parametrize("locale", ["en", "zh"])
@pytest.mark.parametrize(
    ("section", "reasons"),
    [("left_out", WhyLeftOut), ("not_derived", WhyNotDerived), ("why_undefined", WhyUndefined)],
)
def test_every_reason_has_words(locale: str, section: str, reasons: type[WhyLeftOut]) -> None:
    words = {key.removeprefix(f"{section}.") for key in table(locale) if key.startswith(f"{section}.")}
    assert words == {str(reason) for reason in reasons}
