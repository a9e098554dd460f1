"""Agreement with people: equal to the formula in float64, a half at the start, and written by real runs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from lab.core.recipes import GrpoRecipe
from lab.errors import DatasetError
from lab.store.run_folder import RunFolder
from lab.tasks.equations import Split, preferences
from lab.training.measure import agreement
from lab.training.measure.agreement import Agreement, encode
from lab.training.models.base import lora_config
from lab.training.worker.main import work
from tests.training.worker.test_main import make_run

PAIRS = preferences(Split.HELD_OUT, 0, 16)


def log_probability(model, ids: list[int], begin: int) -> float:
    """log π(y|x) by the formula: one row, no padding, NumPy in float64."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0].double().numpy()
    total = 0.0
    for place in range(begin, len(ids)):
        scores = logits[place - 1]
        highest = scores.max()
        total += scores[ids[place]] - highest - np.log(np.exp(scores - highest).sum())
    return float(total)


def by_the_formula(start, policy, tokenizer, pairs) -> float:
    points = []
    for pair in pairs:
        texts = [encode(tokenizer, pair["prompt"], pair[side]) for side in ("chosen", "rejected")]
        chosen, rejected = (log_probability(policy, *text) - log_probability(start, *text) for text in texts)
        points.append(1.0 if chosen > rejected else 0.5 if chosen == rejected else 0.0)
    return float(np.mean(points))


def moved(model, seed: int, scale: float = 0.05):
    """The model with every trainable weight moved a little."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=scale)
    return model


@pytest.mark.parametrize(("rows", "tokens"), [(64, 10_000), (5, 150), (1, 3)], ids=["at-once", "in-parts", "by-threes"])
def test_it_equals_the_formula(make_model, tokenizer, rows, tokens) -> None:
    start, policy = make_model().double().eval(), moved(make_model().double(), 3).train()
    watch = Agreement(start, tokenizer, PAIRS, rows=rows, tokens=tokens)
    expected = [
        [log_probability(start, *encode(tokenizer, pair["prompt"], pair[side])) for side in ("chosen", "rejected")]
        for pair in PAIRS
    ]
    assert watch._start.reshape(-1, 2) == pytest.approx(np.array(expected), abs=1e-9)
    found = watch.of(policy)
    policy.eval()
    assert found == {"agreement": by_the_formula(start, policy, tokenizer, PAIRS), "agreement_pairs": 16}
    assert 0.1 < found["agreement"] < 0.9, "all or nothing would prove little"


def test_an_adapter_is_held_against_the_base_below_it(make_model, tokenizer) -> None:
    from peft import get_peft_model

    policy = get_peft_model(make_model(), lora_config(GrpoRecipe())).train()
    watch = Agreement(policy, tokenizer, PAIRS, rows=8, tokens=400)
    assert policy.training, "left as it was found"
    assert watch.of(policy)["agreement"] == 0.5
    moved(policy, 4, 0.2)
    found = watch.of(policy)["agreement"]
    with policy.disable_adapter():
        plain = Agreement(policy, tokenizer, PAIRS, rows=8, tokens=400)
    assert found == plain.of(policy)["agreement"]
    assert found == by_the_formula(make_model().eval(), policy.eval(), tokenizer, PAIRS) != 0.5


def test_a_policy_that_learns_what_people_chose_or_did_not(make_model, tokenizer) -> None:
    """A few steps that make one side of the pairs likelier and the other one less so."""
    for sides, wanted in ((("chosen", "rejected"), 1.0), (("rejected", "chosen"), 0.0)):
        policy = make_model()
        watch = Agreement(policy, tokenizer, PAIRS[:4], rows=8, tokens=400)
        optimiser = torch.optim.AdamW(policy.parameters(), lr=1e-2)
        for _ in range(10):
            for pair in PAIRS[:4]:
                for side, sign in zip(sides, (-1, 1), strict=True):
                    ids, begin = encode(tokenizer, pair["prompt"], pair[side])
                    row = torch.tensor([ids])
                    logps = torch.log_softmax(policy(input_ids=row).logits[0, :-1], -1)
                    (sign * logps.gather(1, row[0, 1:, None])[begin - 1 :].sum()).backward()
            optimiser.step()
            optimiser.zero_grad()
        assert watch.of(policy)["agreement"] == wanted


def test_the_end_token_counts_and_what_the_template_puts_behind_it_does_not(tokenizer) -> None:
    ids, begin = encode(tokenizer, "Solve 3x = 6", "x = 2")
    assert tokenizer.decode(ids[begin:-1]) == "x = 2"
    assert ids[-1] == tokenizer.eos_token_id


def test_pairs_that_the_model_cannot_read_are_left_out(make_model, tokenizer, capsys) -> None:
    model = make_model()
    long = {"prompt": "Solve 3x = 6", "chosen": "x = 2", "rejected": "x = 2, " * 200}
    watch = Agreement(model, tokenizer, [*PAIRS[:2], long], rows=8, tokens=400)
    assert watch.of(model)["agreement_pairs"] == 2
    assert "watching 2 judged pairs, 1 more are longer than the model reads" in capsys.readouterr().out
    with pytest.raises(DatasetError) as caught:
        Agreement(model, tokenizer, [long], rows=8, tokens=400, name="mine.jsonl")
    context = model.config.max_position_embeddings
    assert (caught.value.key, caught.value.params) == (
        "watch_too_long", {"value": "mine.jsonl", "count": 1, "context": context},
    )  # fmt: skip


def test_no_pass_holds_more_scores_than_an_update(make_model, tokenizer) -> None:
    model, seen = make_model(), []
    model.get_output_embeddings().register_forward_hook(lambda _m, _i, scores: seen.append(scores.shape))
    Agreement(model, tokenizer, PAIRS, rows=6, tokens=40)
    assert seen and all(rows <= 6 and rows * tokens <= 40 for rows, tokens, _ in seen)


@pytest.mark.train
@pytest.mark.parametrize("preset", ["tiny/grpo", "tiny/ppo"])
def test_a_run_writes_it_at_every_measurement_and_goes_on_with_it(tmp_path, preset, monkeypatch) -> None:
    judged = tmp_path / "judged.jsonl"
    judged.write_text("".join(json.dumps(row) + "\n" for row in preferences(Split.HELD_OUT, 0, 60)))
    few = {"steps": 4, "save_every": 2, "measure_every": 1, "iterations": 1, "reward_model": ""}
    few = few if preset == "tiny/ppo" else {name: few[name] for name in few if name != "reward_model"}
    path = make_run(tmp_path, preset, watch_preferences=str(judged), **few)
    folder = RunFolder(path)
    starts: list[np.ndarray] = []
    note = agreement.Agreement.of

    def noted(self, policy):
        starts.append(self._start)
        found = note(self, policy)
        if len(starts) == 3:  # measured at steps 0, 1 and 2: stop after the next one
            (path / "stop").write_text("{}")
        return found

    monkeypatch.setattr(agreement.Agreement, "of", noted)
    assert work(path) == 3, (folder.result() or {}).get("error")
    (path / "stop").unlink()
    assert work(path) == 0
    series = [(line["step"], line["held_out"]["agreement"]) for line in folder.metrics().lines if "held_out" in line]
    assert [step for step, _ in series] == [0, 1, 2, 3, 4]
    assert series[0][1] == 0.5, "nothing has moved before the first step"
    assert any(share != 0.5 for _, share in series[1:])
    assert all(np.array_equal(start, starts[0]) for start in starts), "a resumed run is held against the same start"
    result = folder.result()
    assert result["before"]["agreement"] == 0.5 and result["after"]["agreement"] == series[-1][1]
    assert result["after"]["agreement_pairs"] == 32  # of measure_samples
