"""A hostile file of a rule set is refused in one sentence, in time, and the lab's own process never parses it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab.errors import RuleError
from lab.sandbox.ready import worker
from lab.server.rules import LARGEST_FILE
from lab.store.rule_files import parse_entries
from lab.words import word

SLOWEST = 3.0

HOSTILE = {
    "dotted-quadratic": "a." * 16_000 + "a = 1",
    "dotted-all": "a." * 60_000 + "a = 1",
    "dotted-tables": "".join(f"[{'.'.join('a' * 200)}.b{n}]\n" for n in range(300)),
    "dotted-deep": ".".join("a" * 1000) + " = 1",
    "inline-deep": "a = " + "{a = " * 900 + "1" + "}" * 900,
    "lists-deep": "a = " + "[" * 100_000,
    "lists-closed": "a = " + "[" * 150 + "]" * 150,
    "headers": "[" * 100_000,
    "four-brackets": "[[[[",
    "integer": "a = " + "9" * 5000,
    "integer-short": "[[rules]]\nname = 'x'\nweight = " + "9" * 4000,
    "underscores": "a = " + "1_" * 60_000,
    "nan": "[[rules]]\nname = 'equals_answer'\nweight = nan",
    "infinite": "[[rules]]\nname = 'equals_answer'\nfallback = inf",
    "dates": "[[rules]]\nname = 2026-01-01\nweight = 07:32:00",
    "null": "a = '\0'",
    "surrogate": 'a = "\\ud800"',
    "half": "a = '\ud800'",
    "no-rules": "a = 1",
    "rules-is-text": "rules = 'x'",
    "rules-is-table": "[rules]\nname = 'x'",
    "name-blank": "[[rules]]\nname = '\u3000'",
    "empty": "",
    "large": "#" * (LARGEST_FILE + 1),
    "large-in-bytes": "#" + "解" * (LARGEST_FILE // 3 + 1),
}


@pytest.fixture(scope="module", autouse=True)
def no_worker_stays() -> Iterator[None]:
    worker().start()
    yield
    worker().close()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_it_is_refused_in_one_sentence_in_time(text: str) -> None:
    start = time.monotonic()
    with pytest.raises(RuleError) as refused:
        parse_entries(text, "rules.toml", most=LARGEST_FILE)
    assert time.monotonic() - start < SLOWEST
    for locale in ("en", "zh"):
        sentence = word(refused.value, locale)
        assert len(sentence) < 500 and not any(hole in sentence for hole in ("{path}", "{why}", "{field}"))
        sentence.encode()


def test_the_next_file_is_read_as_ever() -> None:
    with pytest.raises(RuleError):
        parse_entries(HOSTILE["dotted-all"], "rules.toml")
    (rule,) = parse_entries('[[rules]]\nname = "equals_answer"\nweight = 2\n', "rules.toml")
    assert (rule.name, rule.weight) == ("equals_answer", 2.0)
