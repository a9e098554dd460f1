"""Makes ``lab/ui/components/learn/recorded.json``, what the Learn tab shows of real runs: reward hacking, PPO's tokens, the course's costs.

    python -m lab train tiny/grpo-hacked --home HOME
    python -m lab train tiny/ppo --home OTHER --set steps=120 --set measure_every=40
    python -m tests.bench.lesson_records HOME/runs/ID OTHER/runs/ID

The costs are those of ``docs/benchmarks/tour.md`` (``python -m lab tour``). Nothing is rounded to look better; figures are cut to the digits
that are shown.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "lab" / "ui" / "components" / "learn" / "recorded.json"
TOUR = ROOT / "docs" / "benchmarks" / "tour.md"
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


def costs() -> dict[str, Any]:
    """Medians over the three seeds of the tour, by algorithm."""
    rows: dict[str, list[list[str]]] = {}
    for line in TOUR.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 13 and cells[0].isdigit():
            rows.setdefault(cells[1], []).append(cells)

    def median(stage: str, column: int) -> float | None:
        values = [row[column].replace(",", "").replace(" MB", "").lstrip("+") for row in rows[stage] if row[column]]
        return statistics.median(map(float, values)) if values else None

    stages = {
        stage: {
            "roles": rows[stage][0][3].split(": ")[1].split(", "),
            **{
                name: median(stage, at)
                for name, at in {"seconds": 2, "memory_mb": 4, "generated": 5, "trained": 6, "gain": 9}.items()
            },
        }
        for stage in ("sft", "rm", "dpo", "ppo", "grpo")
    }
    return {"command": "python -m lab tour", "seeds": len(rows["grpo"]), "stages": stages}


def main() -> int:
    """Write the file."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    record = {"hacked": hacked(Path(sys.argv[1])), "tokens": tokens(Path(sys.argv[2])), "costs": costs()}
    RECORDED.write_text(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    print(f"{RECORDED.relative_to(ROOT)}: {RECORDED.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
