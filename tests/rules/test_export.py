"""An exported rule set runs in a fresh interpreter with no lab to import, and scores as the lab does."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lab.core.recipes import RuleUse
from lab.errors import RuleError
from lab.rules import RULES
from lab.rules.export import FRAME, MODULES, _defined, as_python
from lab.sandbox.rewards import reward_batch, weighed
from lab.sandbox.written import worker
from lab.tasks.equations import Split, Style, demonstrations

HARD = [
    ("解方程：3x + 5 = 20", "3x = 15 → x = 5", "5"),
    ("解方程：3x + 5 = 20", "无解", "5"),
    ("Solve 2x = 3.", r"<think>halve</think><answer>\frac{3}{2}</answer>", "1.5"),
    ("Write Python.", "```python\nprint(1)\n```", None),
    ("Write Python.", "def f(:\n", None),
    ("", "", None),
    ("?", "so so so so so so \ud800", "no solution"),
]
WRITTEN = [
    RuleUse(
        name="short: 50 %",
        source="LIMIT = 9\n\ndef reward(prompt, completion, answer):\n    return 1.0 if len(completion) < LIMIT else 0.0\n",
        weight=0.125,
        description='Short """is"""\nbetter.',
    ),
    RuleUse(
        name="number",
        source='import re\n\ndef reward(prompt, completion, answer):\n    return len(re.findall("\\\\d", completion)) / 4\n',
        weight=-1.0,
        fallback=0.25,
        high=2.0,
    ),
    RuleUse(name="class", source="seen = []\ndef reward(p, c, a):\n    seen.append(c)\n    return 1 / len(seen)\n"),
    RuleUse(name="fails", source="def reward(p, c, a):\n    return float('''nan''')", fallback=0.5),
]
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
try:
    import lab
except ImportError:
    pass
else:
    raise SystemExit("the lab is on the path")
import exported
rows = json.load(sys.stdin)
prompts, completions, answers = map(list, zip(*rows))
scores = {f.__name__: f(completions=completions, prompts=prompts, answer=answers, other=1) for f in exported.REWARD_FUNCS}
chat = [[{"role": "assistant", "content": text}] for text in completions]
asked = [[{"role": "user", "content": text}] for text in prompts]
assert scores == {f.__name__: f(chat, answers, asked) for f in exported.REWARD_FUNCS}
print(json.dumps([scores, exported.REWARD_WEIGHTS]))
"""


def run(text: str, rows: list, folder: Path) -> tuple[dict, list]:
    (folder / "exported.py").write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, str(folder)],
        input=json.dumps(rows),
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    scores, weights = json.loads(done.stdout)
    return scores, weights


def test_it_scores_as_the_lab_does(tmp_path: Path) -> None:
    uses = [*(RuleUse(name=name, fallback=0.125) for name in RULES), *WRITTEN]
    drawn = demonstrations(Split.TRAIN, 3, 60, dict.fromkeys(Style, 1.0))
    rows = [*HARD, *((row["prompt"], row["completion"], row["answer"]) for row in drawn)]
    found, weights = run(as_python(uses, "all of them"), rows, tmp_path)
    assert weights == [use.weight for use in uses]
    expected = reward_batch(weighed(uses), rows)
    worker().close()
    for use in uses:
        assert found[use.name] == [reward.scores[use.name].value for reward in expected], use.name


def test_only_what_is_needed_is_written_out() -> None:
    text = as_python([RuleUse(name="length_range")])
    assert "def length_between" in text and "Fraction" not in text and "def consistent" not in text
    assert "lab." not in "".join(line for line in text.splitlines() if line.startswith(("import", "from")))


def test_a_name_in_the_rules_modules_means_one_thing() -> None:
    """They are written out side by side."""
    counts = Counter(
        name
        for module in MODULES
        for name in {
            each
            for statement in ast.parse(Path(module.__file__).read_text("utf-8")).body
            for each in _defined(statement)
        }
    )
    of_the_frame = {each for statement in ast.parse(FRAME).body for each in _defined(statement)}
    assert [name for name, count in counts.items() if count > 1 or name in of_the_frame] == []


def test_a_rule_that_is_not_here_is_named() -> None:
    with pytest.raises(RuleError, match="rule_not_exportable"):
        as_python([RuleUse(name="of_a_trusted_file")])


def test_an_exported_rule_keeps_to_its_bounds_and_its_fallback(tmp_path: Path) -> None:
    def always(number: str, **more: float) -> RuleUse:
        return RuleUse(name=f"gives {number}", source=f"def reward(p, c, a):\n    return {number}\n", **more)

    uses = [
        always("7", low=0.0, high=1.0, fallback=0.25),
        always("-0.5", low=0.0, high=1.0, fallback=0.5),
        always("1.0", low=0.0, high=1.0, fallback=0.5),
        always("0.0", low=0.0, high=1.0, fallback=0.5),
        always("3", low=0.0, high=4.0, fallback=2.0),
        always("float('inf')", low=0.0, high=4.0, fallback=2.0),
        always("None", low=-1.0, high=0.0, fallback=-1.0),
    ]
    found, _ = run(as_python(uses), [("p", "c", None)], tmp_path)
    assert list(found.values()) == [[0.25], [0.5], [1.0], [0.0], [3.0], [2.0], [-1.0]]
