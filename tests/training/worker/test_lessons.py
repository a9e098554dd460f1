"""The tiny model of the Learn tab, in this process: its log-probabilities and its steps are those of ``losses.py`` on the same tensors."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from lab.core.groups import Estimator, ThresholdKind, make_group
from lab.core.lessons import EPSILON, parse_question
from lab.training.algorithms import losses
from lab.training.worker import lessons

pytestmark = pytest.mark.train

PROMPT = "解方程：3x + 5 = 20"
ANSWERS = ["x = 5", "x = 15/3", "x = 5", "无解", "3x = 15 → x = 5"]
WORKED = [3.0, 2.5, 3.0, 0.0, 3.0]


@pytest.fixture(scope="module")
def tutor(tmp_path_factory: pytest.TempPathFactory) -> lessons.Tutor:
    return lessons.Tutor(tmp_path_factory.mktemp("home"))


def ask(tutor: lessons.Tutor, **values: Any) -> dict[str, Any]:
    return tutor.answer(parse_question(values))


def step(tutor: lessons.Tutor, rewards: list[float], **more: Any) -> dict[str, Any]:
    return ask(tutor, kind="step", prompt=PROMPT, answers=ANSWERS, rewards=rewards, **more)


def test_a_log_probability_is_the_sum_of_its_tokens_as_the_model_gives_them(tutor: lessons.Tutor) -> None:
    answer = ask(tutor, kind="logps", prompt=PROMPT, answers=ANSWERS)
    tokens, model = tutor.speaker.tokens, tutor.speaker.model
    for text, logp, pieces in zip(ANSWERS, answer["logps"], answer["tokens"], strict=True):
        row = tokens.encode(PROMPT, text)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row.ids])).logits[0].double()
        table = logits.log_softmax(-1)
        by_hand = sum(float(table[at - 1, row.ids[at]]) for at in range(row.begin, len(row.ids)))
        assert logp == pytest.approx(by_hand, abs=1e-4)
        assert sum(value for _, value in pieces) == pytest.approx(logp, abs=1e-4)
    assert "".join(piece for piece, _ in answer["tokens"][4][:-1]) == ANSWERS[4]


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(
    ("rewards", "kind"),
    [
        (WORKED, "above_mean"),
        (WORKED, "all"),
        ([3.0, 3.0, 3.0, 0.0, 3.0], "top_fraction"),  # ties: one of four equal ones is kept
        ([0.0, 0.0, 0.0, 0.0, 1.0], "above_mean"),  # one kept
    ],
)
def test_a_step_follows_the_trainers_loss(tutor: lessons.Tutor, rewards: list[float], kind: str, scaled: bool) -> None:
    told = step(tutor, rewards, threshold=kind, scaled=scaled)
    estimator = Estimator.GROUP_SCALED if scaled else Estimator.UNSCALED
    group = make_group(rewards, ThresholdKind(kind), 0.2, estimator=estimator)
    assert told["kept"] == group.kept and told["advantages"] == group.advantages
    kept = [at for at, is_kept in enumerate(group.kept) if is_kept]
    ones = torch.ones(len(kept), 1)
    advantages = torch.tensor([[group.advantages[at]] for at in kept])
    old = torch.tensor([[told["before"][at]] for at in kept])
    for now, said in zip((old, torch.tensor([[told["after"][at]] for at in kept])), told["losses"], strict=True):
        gain = losses.clipped_surrogate(losses.ratio(now, old, ones), advantages, EPSILON, EPSILON)
        assert said == pytest.approx(float(-gain.sum() / len(kept)), abs=1e-5)
    assert told["after"] != told["before"]


def test_a_first_step_on_the_worked_example_lowers_its_loss(tutor: lessons.Tutor) -> None:
    told = step(tutor, WORKED)
    assert told["losses"][0] == pytest.approx(-0.575, abs=1e-5)
    assert told["losses"][1] < told["losses"][0]


@pytest.mark.parametrize(("rewards", "kind"), [([2.0] * 5, "above_mean"), ([2.0] * 5, "all")])
def test_without_spread_nobody_is_kept_and_there_is_no_step(
    tutor: lessons.Tutor, rewards: list[float], kind: str
) -> None:
    told = step(tutor, rewards, threshold=kind)
    assert not any(told["kept"]) and told["losses"] is None and told["after"] == told["before"]


def test_questions_leave_the_model_as_it_was(tutor: lessons.Tutor) -> None:
    before = ask(tutor, kind="logps", prompt=PROMPT, answers=ANSWERS)["logps"]
    first, second = step(tutor, WORKED, steps=2), step(tutor, WORKED, steps=2)
    assert first["after"] == second["after"]
    assert ask(tutor, kind="logps", prompt=PROMPT, answers=ANSWERS)["logps"] == before


def test_dpo_begins_at_ln_2_and_widens_the_margin(tutor: lessons.Tutor) -> None:
    pair = {"kind": "prefer", "prompt": PROMPT, "chosen": ANSWERS[4], "rejected": ANSWERS[3], "beta": 0.5}
    start, later = ask(tutor, **pair), ask(tutor, **pair, steps=4)
    assert start["losses"][0] == pytest.approx(math.log(2), abs=1e-5)
    assert start["chosen"] == pytest.approx(start["ref_chosen"], abs=1e-5)
    margin = (later["chosen"] - later["ref_chosen"]) - (later["rejected"] - later["ref_rejected"])
    assert margin > 0
    assert later["losses"][1] == pytest.approx(math.log1p(math.exp(-0.5 * margin)), abs=1e-5)


def test_sft_teaches_what_it_was_shown(tutor: lessons.Tutor) -> None:
    written = ask(tutor, kind="write", prompts=[PROMPT], completions=8)["models"]
    steps = {name: sum("→" in text and "=" in text for text in written[name][0]) for name in written}
    assert steps["empty"] == 0 and steps["tuned"] >= 7 and steps["tuned"] > steps["pretrained"]


def test_lines_are_answered_in_turn_and_a_bad_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tutor: lessons.Tutor
) -> None:
    monkeypatch.setattr(lessons, "Tutor", lambda _home: tutor)
    answers = io.StringIO()
    lessons.serve(tmp_path, io.StringIO('{"kind": "dream"}\n{"kind": "warm"}\n'), answers)
    refused, warm = map(json.loads, answers.getvalue().splitlines())
    assert refused["error"]["key"] == "lesson_value" and warm == {"answer": {}}
