"""Dynamic sampling without a model: which groups are replaced, by what, and how the draws are counted."""

from __future__ import annotations

from lab.core.rules import Reward
from lab.training.trainers.dynamic_sampling import Draws, Sampled, prompt_source, with_spread


def sampled(*groups: tuple[str, list[float]]) -> Sampled:
    """Groups as (prompt, rewards)."""
    whole = Sampled()
    for prompt, rewards in groups:
        for number, value in enumerate(rewards):
            whole.rows.append({"prompt": prompt})
            whole.prompt_ids.append([ord(prompt)])
            whole.completion_ids.append([number])
            whole.texts.append(f"{prompt}{number}")
            whole.rewards.append(Reward(value, {}))
    return whole


def test_only_groups_without_spread_are_replaced_and_each_with_all_that_is_its_own() -> None:
    first = sampled(("a", [0, 1]), ("b", [1, 1]), ("c", [0, 0]))
    answers = [sampled(("d", [0, 0]), ("e", [0, 1])), sampled(("f", [1, 0]))]
    asked = []

    def ask(rows):
        asked.append([row["prompt"] for row in rows])
        return answers.pop(0)

    draws = with_spread(first, 2, 5, lambda wanted: [{"prompt": "x"}] * wanted, ask)
    assert asked == [["x"] * 4, ["x"] * 2]
    assert [row["prompt"] for row in first.rows] == list("aaffee")
    assert first.texts == ["a0", "a1", "f0", "f1", "e0", "e1"]
    assert first.prompt_ids == [[ord(row["prompt"])] for row in first.rows]
    assert [reward.value for reward in first.rewards] == [0, 1, 1, 0, 0, 1]
    assert draws == Draws(drawn=6, thrown_away=3)


def test_the_rounds_are_a_bound() -> None:
    first = sampled(("a", [1, 1]))
    draws = with_spread(first, 2, 3, lambda n: [{"prompt": "b"}] * n, lambda rows: sampled(("b", [1, 1])))
    assert draws == Draws(drawn=4, thrown_away=3) and first.rows[0]["prompt"] == "b"


def test_a_group_that_could_not_be_scored_has_no_spread() -> None:
    assert sampled(("a", [float("nan"), float("nan")]), ("b", [0, float("nan"), 1][:2])).silent(2) == [0, 2]


def test_a_step_draws_the_same_prompts_again_and_no_prompt_twice_while_there_are_others() -> None:
    rows = [{"prompt": str(number)} for number in range(300)]
    first, again, other = (prompt_source(rows, 1, step) for step in (4, 4, 5))
    drawn = [row["prompt"] for _ in range(4) for row in first(12)]
    assert drawn == [row["prompt"] for _ in range(4) for row in again(12)]
    assert len(set(drawn)) == 48
    assert drawn != [row["prompt"] for _ in range(4) for row in other(12)]
    assert len(prompt_source(rows[:3], 1, 1)(10)) == 10, "fewer prompts than are wanted"
