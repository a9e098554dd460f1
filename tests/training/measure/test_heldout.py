"""Measuring: how long completions may be, what KL from the start is a sum of, and that nothing of training moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from lab.sandbox.ready import READY
from lab.sandbox.rewards import scores_of
from lab.training.measure import heldout as measure
from lab.training.models.tokens import Tokens, eos_in, tokens_of
from tests.training.conftest import LETTERS
from tests.training.variants import make_variant

ROWS: list[dict[str, Any]] = [{"prompt": "2x = 4", "answer": "2"}, {"prompt": "Solve 3x + 1 = 10", "answer": "3"}]


@pytest.mark.train
@pytest.mark.parametrize(("demonstrations", "longest"), [(("x" * 30, "x"), 31), ((), 4)])
def test_demonstrations_tell_how_long_a_completion_may_be(
    make_model: Any, tokens: Any, monkeypatch: pytest.MonkeyPatch, demonstrations: tuple[str, ...], longest: int
) -> None:
    rows: list[dict[str, Any]] = [{"prompt": "2x = 4", "answer": "2", "completion": text} for text in demonstrations]
    asked: list[int] = []
    sample = measure.sample

    def noting(*args: Any, max_new_tokens: int, **more: Any) -> Any:
        asked.append(max_new_tokens)
        return sample(*args, max_new_tokens=max_new_tokens, **more)

    monkeypatch.setattr(measure, "sample", noting)
    rows = rows or [{"prompt": "2x = 4", "answer": "2"}]
    found = measure.held_out(make_model(), tokens, rows, [], samples=4, max_new_tokens=4, seed=1)
    assert found["samples"] == 4 and asked == [longest]


def logps_by_hand(model: Any, ids: list[int], begin: int) -> float:
    """Σ log π of the tokens from ``begin`` on, in float64, one row without padding."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0].double()
    every = torch.log_softmax(logits, -1)
    return sum(float(every[place - 1, ids[place]]) for place in range(begin, len(ids)))


def test_kl_from_the_start_is_the_sum_over_every_token_of_a_completion(make_model: Any, tokens: Any) -> None:
    policy, start = make_model(0).eval(), make_model(1).eval()

    def start_logps(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return measure.token_logps(start, ids, mask)

    found = measure.kl_from_start(policy, start_logps, tokens, ROWS, max_new_tokens=3, seed=5, samples=4)
    prompts = [ROWS[number % 2]["prompt"] for number in range(4)]
    by_hand, first_tokens = [], []
    for _, prompt, completion, _ in measure.sample(policy, tokens, prompts, max_new_tokens=3, seed=5):
        ids, begin = [*prompt.tolist(), *completion.tolist()], len(prompt)
        by_hand.append(logps_by_hand(policy, ids, begin) - logps_by_hand(start, ids, begin))
        first_tokens.append(
            logps_by_hand(policy, ids[: begin + 1], begin) - logps_by_hand(start, ids[: begin + 1], begin)
        )
    assert found == pytest.approx(sum(by_hand) / 4, abs=1e-4)
    assert abs(sum(first_tokens)) > 1e-3, "a first token that adds nothing would prove nothing"


def test_the_same_weights_are_0_from_each_other(make_model: Any, tokens: Any) -> None:
    model = make_model().eval()

    def same(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return measure.token_logps(model, ids, mask)

    assert measure.kl_from_start(model, same, tokens, ROWS, max_new_tokens=3, seed=5, samples=2) == 0.0


def test_measuring_leaves_the_generators_and_the_mode_as_they_were(make_model: Any, tokens: Any) -> None:
    model = make_model().train()
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    measure.held_out(model, tokens, ROWS, [], samples=2, max_new_tokens=3, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before) and model.training
    drawn = measure.sample(model, tokens, ["2x = 4"] * 2, max_new_tokens=3, seed=1)
    next(drawn)
    drawn.close()  # whoever stops half-way
    assert torch.equal(torch.random.get_rng_state(), before) and model.training


def written(model: Any, tokens: Any, seed: int) -> list[str]:
    drawn = measure.sample(model, tokens, ["2x = 4"] * 6, max_new_tokens=6, seed=seed)
    return [text for _, _, _, text in drawn]


def test_the_seed_decides_what_is_drawn(make_model: Any, tokens: Any) -> None:
    model = make_model()
    assert written(model, tokens, 1) == written(model, tokens, 1) != written(model, tokens, 2)


@pytest.fixture(scope="module")
def tiny() -> Any:
    from lab.store.models import SHIPPED

    return AutoModelForCausalLM.from_pretrained(SHIPPED["tiny"])


def tokens_in(folder: Path) -> Tokens:
    return tokens_of(AutoTokenizer.from_pretrained(folder), eos_in(folder))


@pytest.mark.parametrize("name", ["two_ends", "own"])
def test_sampling_stops_at_the_ends_of_tokenizer_config_and_template(tmp_path: Path, tiny: Any, name: str) -> None:
    """The weights end a turn with a token that the tokenizer's EOS need not be: then nothing stopped at it."""
    tokens = tokens_in(make_variant(tmp_path / "model", name))
    found = measure.held_out(tiny, tokens, ROWS[1:], [], samples=16, max_new_tokens=60, seed=1)
    assert found["pass_at_1"] > 0.1
    ids = [
        completion
        for _, _, completion, _ in measure.sample(tiny, tokens, ["Solve 3x + 1 = 10"] * 8, max_new_tokens=60, seed=1)
    ]
    assert all(tokens.has_ended(row.tolist()) and len(row) < 60 for row in ids)


def test_a_measurement_is_a_mean_over_the_completions(tiny: Any) -> None:
    from lab.store.models import SHIPPED

    tokens, samples, how = tokens_in(SHIPPED["tiny"]), 7, {"max_new_tokens": 24, "seed": 3}
    found = measure.held_out(tiny, tokens, ROWS, LETTERS, samples=samples, **how)
    asked = [ROWS[number % 2] for number in range(samples)]
    texts = {index: text for index, *_, text in measure.sample(tiny, tokens, [row["prompt"] for row in asked], **how)}
    rows = [(row["prompt"], texts[number], row["answer"]) for number, row in enumerate(asked)]
    right = sum(score.value for score in scores_of(READY["equals_answer"], rows))
    assert right > 0 and found["pass_at_1"] == pytest.approx(right / samples)
    assert found["reward"] == pytest.approx(sum(2.0 * (len(text) * 7919 % 13) / 13 for _, text, _ in rows) / samples)


def test_measuring_asks_as_training_does(tmp_path: Path, tiny: Any) -> None:
    tokens = tokens_in(make_variant(tmp_path / "model", "thought"))
    how = {"max_new_tokens": 2, "seed": 1}
    (_, trained, _, plain), *_ = measure.sample(tiny, tokens, ["2x = 4"], as_trained=True, **how)
    (_, asked, _, opened), *_ = measure.sample(tiny, tokens, ["2x = 4"], **how)
    assert trained.tolist() == tokens.asked_as_trained("2x = 4") and asked.tolist() == tokens.asked("2x = 4")
    assert opened.startswith("<think>\n") and not plain.startswith("<think>")
