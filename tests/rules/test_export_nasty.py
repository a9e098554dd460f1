"""Whatever rules are called, say and describe, the exported file is imported in a fresh interpreter and scores as they do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.core.recipes import RuleUse
from lab.rules import RULES
from lab.rules.export import as_python
from lab.sandbox.rewards import reward_batch, weighed
from tests.rules.test_export import HARD, run

SOURCES = {
    "emoji": "MARK = '😀'\n# it's \\ a '''quote\ndef reward(p, c, a):\n    return float(MARK == '\\U0001f600')",
    "rare": "def reward(p, c, a):\n    return float(len('𠀀\\\\') == 2 and '''x''' == 'x')",
    "unprintable": "def reward(p, c, a):\n    return float('\u2028' == chr(0x2028) and len('\x7f\x01\ufeff\t') == 4)\n",
    "crlf": "def reward(p, c, a):\r\n    return 1.0\r\n",
    "quotes": "def reward(p, c, a):\n    return float('\"\"\"' != r'\\\\')  # '",
    "tag": "def reward(p, c, a):\n    return float(len('🏴\U000e0067') == 2)  # '''\n",
}

NAMES = (
    *("float", "len", "isinstance", "ＬＥＮ", "print", "class", "None", "match", "re", "math", "Fraction", "Callable"),
    *("REWARD_FUNCS", "REWARD_WEIGHTS", "RULE", "warnings", "ﬁ", "fi", "²", "٣ drei", "规则 一", "a b", "a_b", "a-b"),
    *(
        "__debug__",
        "_score",
        "_written",
        "x = 1",
        '"""',
        "\\",
        "🙂",
        "pyflakes",
        "code",
        "reward",
        "annotations",
        "{x}",
    ),
)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_source_is_the_same_in_the_file(source: str, tmp_path: Path) -> None:
    found, _ = run(as_python([RuleUse(name="nasty", source=source)]), HARD, tmp_path)
    assert found == {"nasty": [1.0] * len(HARD)}


def test_a_name_hides_nothing(tmp_path: Path) -> None:
    ready = [RuleUse(name=name) for name in RULES]
    mine = [
        RuleUse(name=name, source=f"def reward(p, c, a):\n    return {n}.0\n", high=100.0)
        for n, name in enumerate(NAMES)
    ]
    found, weights = run(as_python([*mine, *ready], '"""\0 \\ set'), HARD, tmp_path)
    assert len(weights) == len(found) == len(NAMES) + len(RULES)
    for n, name in enumerate(NAMES):
        assert found[name] == [float(n)] * len(HARD), name
    expected = reward_batch(weighed(ready), HARD)
    for name in RULES:
        assert found[name] == [reward.scores[name].value for reward in expected], name


@pytest.mark.parametrize("description", ["a\0b", "a\rimport nothing", 'x """', "\u2028import nothing", "\ud800", "\\"])
def test_a_description_cannot_break_the_file(description: str, tmp_path: Path) -> None:
    use = RuleUse(name="mine", source="def reward(p, c, a):\n    return 1.0\n")
    text = as_python([use.model_copy(update={"description": description})])
    found, _ = run(text, HARD, tmp_path)
    assert found == {"mine": [1.0] * len(HARD)}


def test_a_package_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    text = as_python([RuleUse(name="python_static_check")])
    assert "They need: pip install pyflakes\n" in text
    (tmp_path / "exported.py").write_text(text, "utf-8")
    done = subprocess.run([sys.executable, "-I", "-S", tmp_path / "exported.py"], capture_output=True, text=True)
    assert "No module named 'pyflakes'" in done.stderr
    assert "pip install" not in as_python([RuleUse(name="python_parses")])
