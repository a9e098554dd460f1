"""Makes ``lab/ui/components/learn/recorded.json``, what the Learn tab shows of real runs: reward hacking, PPO's tokens.

    python -m lab train tiny/grpo-hacked --home HOME
    python -m lab train tiny/ppo --home OTHER --set steps=120 --set measure_every=40
    python -m tests.bench.lesson_records HOME/runs/ID OTHER/runs/ID

Nothing is rounded to look better; figures are cut to the digits that are shown. The course's costs are read live (``/api/compare/tables``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "lab" / "ui" / "components" / "learn" / "recorded.json"
SHOWN_STEPS = (1, 2, 4, 6, 8, 10, 12, 15, 30, 60)
"""Steps of the hacked run whose first group is shown."""
TOKENS = {"en": "Solve 4x + 6 = 34", "zh": "解方程：2x + 9 = 23"}
"""The prompts whose completion is shown token by token, both of step 37."""


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def hacked(run: Path) -> dict[str, Any]:
    """Curves and groups of the run that learned to answer nothing."""
    metrics = lines(run / "metrics.jsonl")
    result = json.loads((run / "result.json").read_text("utf-8"))
    steps = [line for line in metrics if "reward" in line]
    groups = {line["step"]: line for line in lines(run / "groups.jsonl") if line["group"] == 0}
    shown = [
        {
            "step": step,
            "prompt": groups[step]["prompt"],
            "completions": [[each["text"], each["reward"]] for each in groups[step]["completions"]],
        }
        for step in SHOWN_STEPS
        if step in groups
    ]
    return {
        "command": "python -m lab train tiny/grpo-hacked",
        "seconds": round(result["seconds"]),
        "steps": [line["step"] for line in steps],
        "reward": [round(line["reward"], 3) for line in steps],
        "right": [round(line["rule/equals_answer"], 3) for line in steps],
        "held_out": [[line["step"], round(line["held_out"]["pass_at_1"], 3)] for line in metrics if "held_out" in line],
        "groups": shown,
    }


def tokens(run: Path) -> dict[str, Any]:
    """One wrong completion in each language with its values and token rewards."""
    recipe = json.loads((run / "recipe.json").read_text("utf-8"))["recipe"]
    shown = {}
    for language, prompt in TOKENS.items():
        group = next(g for g in lines(run / "groups.jsonl") if g["step"] == 37 and g["prompt"] == prompt)
        worst = min(group["completions"], key=lambda completion: completion["reward"])
        names = [piece if isinstance(piece, str) else piece["special"] for piece in worst["token_texts"]]
        shown[language] = {
            "prompt": prompt,
            "answer": group["answer"],
            "text": worst["text"],
            "reward": worst["reward"],
            "scores": worst["scores"],
            "tokens": names,
            "values": [round(value, 4) for value in worst["values"]],
            "rewards": [round(value, 4) for value in worst["token_rewards"]],
        }
    return {
        "command": "python -m lab train tiny/ppo --set steps=120 --set measure_every=40",
        "step": 37,
        "discount": recipe.get("discount", 1.0),
        "gae_lambda": recipe.get("gae_lambda", 0.95),
        "kl_coefficient": recipe["kl_coefficient"],
        **shown,
    }


def main() -> int:
    """Write the file."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    record = {"hacked": hacked(Path(sys.argv[1])), "tokens": tokens(Path(sys.argv[2]))}
    RECORDED.write_text(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    print(f"{RECORDED.relative_to(ROOT)}: {RECORDED.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
