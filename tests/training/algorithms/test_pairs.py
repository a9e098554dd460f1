"""DPO and the reward model: losses and logged rewards against float64 references, on random preferences."""

import copy
import json

import numpy as np
import pytest
import torch

from lab.core.recipes import DpoRecipe, RmRecipe
from lab.data.datasets import Dataset, load
from lab.store.run_folder import RunFolder
from lab.tasks.equations import PAIR_CATEGORIES, Split, preferences
from lab.training.algorithms import dpo, rm
from lab.training.measure.lengths import lengths_of
from lab.training.models.base import Loaded, lora_config
from lab.training.task import Task, rule_set
from lab.training.worker.main import work
from lab.training.worker.reporter import Reporter
from tests.training.worker.test_main import make_run


def log_sigmoid(x):
    return -np.logaddexp(0.0, -x)


def make_task(tmp_path, recipe, model, tokenizer):
    folder = RunFolder(tmp_path)
    data = Dataset(preferences(Split.TRAIN, 1, 64), [], "", tuple(preferences(Split.HELD_OUT, 0, 40)))
    task = Task(recipe, folder, Reporter(folder, recipe.steps), data, rule_set(recipe), home=tmp_path)
    task.loaded = Loaded(model, tokenizer, torch.device("cpu"), fresh_adapter=True)
    return task


def sums_of_logps(model, ids, mask, completion_mask):
    """Σ log π over completion tokens, float64, shape (B,)."""
    with torch.no_grad():
        logits = copy.deepcopy(model).double().eval()(input_ids=ids, attention_mask=mask).logits[:, :-1]
    logps = torch.log_softmax(logits, -1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return (logps * completion_mask[:, 1:]).sum(1).numpy()


@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_dpo_equals_the_formula(tmp_path, make_model, tokenizer, beta):
    from peft import get_peft_model

    recipe = DpoRecipe(steps=2, batch_size=8, beta=beta)
    task = make_task(tmp_path, recipe, get_peft_model(make_model(), lora_config(recipe)), tokenizer)
    trainer = dpo.build_trainer(task)
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in trainer.model.named_parameters():
            if "lora_B" in name and parameter.requires_grad:
                parameter.normal_(0, 0.2)
    batch = next(iter(trainer.get_train_dataloader()))
    ids, mask, completion = batch["input_ids"], batch["attention_mask"], batch["completion_mask"]
    loss = trainer.compute_loss(trainer.model.train(), dict(batch)).item()
    policy = sums_of_logps(trainer.model, ids, mask, completion)
    with trainer.model.disable_adapter():
        reference = sums_of_logps(trainer.model, ids, mask, completion)
    chosen, rejected = np.split(beta * (policy - reference), 2)
    assert loss == pytest.approx(-log_sigmoid(chosen - rejected).mean(), rel=1e-4, abs=1e-5)
    logged = trainer.metrics.take()
    assert logged["reward_chosen"] == pytest.approx(chosen.mean(), abs=1e-4)
    assert logged["reward_rejected"] == pytest.approx(rejected.mean(), abs=1e-4)
    assert logged["margin"] == pytest.approx((chosen - rejected).mean(), abs=1e-4)
    assert logged["accuracy"] == pytest.approx((chosen > rejected).mean())
    assert abs(chosen - rejected).max() > 0.01, "equal rewards would prove nothing"


def test_the_reward_models_loss_is_bradley_terry(tmp_path, make_model, tokenizer, tokens):
    from trl import RewardConfig, RewardTrainer

    scorer = make_scorer(make_model, tokenizer)
    pairs = preferences(Split.TRAIN, 2, 16)
    task = make_task(tmp_path, RmRecipe(steps=1, batch_size=16, training="full"), scorer, tokenizer)
    chosen = rm.scores(scorer, tokens, [(row["prompt"], row["chosen"]) for row in pairs], rows=5)
    rejected = rm.scores(scorer, tokens, [(row["prompt"], row["rejected"]) for row in pairs], rows=32)
    expected = -log_sigmoid(chosen - rejected).mean()
    task.dataset.train[:] = pairs
    arguments = RewardConfig(**task.arguments(per_device_train_batch_size=16))
    from datasets import Dataset as Rows

    rows = [{k: conversation(row, k) for k in ("prompt", "chosen", "rejected")} for row in pairs]
    trainer = RewardTrainer(
        model=scorer, args=arguments, train_dataset=Rows.from_list(rows), processing_class=tokenizer
    )
    loss = trainer.compute_loss(trainer.model.train(), next(iter(trainer.get_train_dataloader()))).item()
    assert loss == pytest.approx(expected, rel=1e-4)
    assert abs(chosen - rejected).max() > 0.01


def conversation(row, name):
    return [{"role": "user" if name == "prompt" else "assistant", "content": row[name]}]


def make_scorer(make_model, tokenizer):
    from transformers import LlamaForSequenceClassification

    config = copy.deepcopy(make_model().config)
    config.num_labels, config.pad_token_id = 1, tokenizer.pad_token_id
    torch.manual_seed(5)
    scorer = LlamaForSequenceClassification(config)
    torch.nn.init.normal_(scorer.score.weight, std=0.5)
    return scorer


def test_a_score_does_not_depend_on_the_batch(make_model, tokenizer, tokens):
    scorer = make_scorer(make_model, tokenizer)
    texts = [(row["prompt"], row["chosen"]) for row in preferences(Split.TRAIN, 4, 12)]
    together = rm.scores(scorer, tokens, texts, rows=12)
    alone = [rm.scores(scorer, tokens, [text], rows=1)[0] for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)
    assert together.std() > 0.01


def test_accuracy_is_told_by_category_and_length(tmp_path, make_model, tokenizer):
    task = make_task(tmp_path, RmRecipe(training="full"), make_scorer(make_model, tokenizer), tokenizer)
    measured = rm.measure(task)
    shares = [measured[f"accuracy/{name}"] for name in PAIR_CATEGORIES]
    assert all(0 <= share <= 1 for share in shares)
    counts = [sum(row["category"] == name for row in task.dataset.held_out_pairs) for name in PAIR_CATEGORIES]
    assert measured["pair_accuracy"] == pytest.approx(np.average(shares, weights=counts))
    assert measured["samples"] == 40 == sum(counts)


def test_accuracy_margin_and_length_bias_by_hand(tmp_path, make_model, tokenizer, monkeypatch):
    """Right, wrong, wrong, right; the chosen one is longer, longer, shorter, as long."""
    task = make_task(tmp_path, RmRecipe(training="full"), make_scorer(make_model, tokenizer), tokenizer)
    sides = (("long", "s", "a"), ("long", "s", "b"), ("s", "long", "a"), ("as", "so", "b"))
    pairs = tuple({"prompt": "?", "chosen": c, "rejected": r, "category": name} for c, r, name in sides)
    task.dataset = Dataset(task.dataset.train, [], "", pairs)
    asked = []

    def scores(_model, _tokens, texts, **_):
        asked.extend(texts)
        return np.array([3.0, 1.0, 0.0, 1.0, 2.0, 4.0, 1.5, 1.0])

    monkeypatch.setattr(rm, "scores", scores)
    measured = rm.measure(task)
    assert asked == [("?", pair[side]) for pair in pairs for side in ("chosen", "rejected")]
    assert (measured["pair_accuracy"], measured["accuracy/a"], measured["accuracy/b"]) == (0.5, 0.5, 0.5)
    assert measured["margin"] == pytest.approx((2.0 - 1.0 - 2.0 + 0.5) / 4)
    assert measured["length_bias"] == pytest.approx(2 / 3), "the pair of equal length says nothing of it"


@pytest.mark.parametrize(("micro", "at_once"), [(4, 8), (64, 80)])
def test_measuring_takes_no_more_rows_at_once_than_an_update_as_the_estimate_has_it(
    tmp_path, make_model, tokenizer, micro, at_once
):
    recipe = RmRecipe(training="full", micro_batch_size=micro)
    task = make_task(tmp_path, recipe, make_scorer(make_model, tokenizer), tokenizer)
    seen = []
    handle = task.model.register_forward_pre_hook(
        lambda _model, _args, given: seen.append(len(given["input_ids"])), with_kwargs=True
    )
    rm.measure(task)
    handle.remove()
    assert max(seen) == at_once == lengths_of(recipe, task.dataset, task.tokens).held_out and sum(seen) == 2 * 40


def test_dpos_held_out_pairs_are_measured_by_the_formula_and_tie_at_the_start(tmp_path, make_model, tokenizer):
    from peft import get_peft_model

    recipe = DpoRecipe(beta=0.5, measure_samples=20)
    model = get_peft_model(make_model(), lora_config(recipe))
    task = make_task(tmp_path, recipe, model, tokenizer)
    measured = dpo.HeldOutPairs(task, task.loaded)
    assert measured.of(model) == {"pair_accuracy": 0.5, "margin": 0.0, "pairs": 20}
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.2)
    expected = []
    for row in task.dataset.held_out_pairs[:20]:
        sides = []
        for side in ("chosen", "rejected"):
            encoded = task.tokens.encode(row["prompt"], row[side])
            ids, begin = encoded.ids, encoded.begin
            mask = torch.ones(1, len(ids), dtype=torch.long)
            written = torch.arange(len(ids)).unsqueeze(0) >= begin
            policy = sums_of_logps(model, torch.tensor([ids]), mask, written)
            with model.disable_adapter():
                sides.append(policy - sums_of_logps(model, torch.tensor([ids]), mask, written))
        expected.append(0.5 * float((sides[0] - sides[1]).item()))
    found = measured.of(model)
    assert found["margin"] == pytest.approx(np.mean(expected), abs=1e-4) and abs(found["margin"]) > 0.01
    assert found["pair_accuracy"] == np.mean(np.array(expected) > 0)


@pytest.mark.parametrize("algorithm", ["rm", "dpo"])
def test_pairs_for_training_and_for_measuring_are_of_different_problems(algorithm):
    from lab.core.recipes import parse

    data = load(parse({"algorithm": algorithm, "steps": 20}))
    assert {row["category"] for row in data.train} == set(PAIR_CATEGORIES)
    assert all(row["chosen"] != row["rejected"] for row in data.train)
    assert not {row["prompt"] for row in data.train} & {row["prompt"] for row in data.held_out_pairs}


@pytest.mark.train
@pytest.mark.timeout(300)
def test_a_dpo_run_on_a_file_tells_its_held_out_pairs_and_goes_on_with_them(tmp_path, tokens):
    rows = [
        {"prompt": f"{n} + 0 = ?", "chosen": f"x = {n}", "rejected": f"x = {n + 1}, perhaps {n + 2}"}
        for n in range(300, 500)
    ]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    changes = {"dataset": str(file), "learning_rate": 5e-3, "measure_every": 4, "measure_samples": 12}
    path = make_run(tmp_path, "tiny/dpo", steps=8, save_every=4, **changes)
    assert work(path) == 0
    result = RunFolder(path).result()
    assert result["before"] == {"pair_accuracy": 0.5, "margin": 0.0, "pairs": 12}
    assert result["after"]["pair_accuracy"] > 0.9 and result["after"]["margin"] > 0.01
    lines = RunFolder(path).metrics().lines
    assert [line["step"] for line in lines if "held_out" in line] == [0, 4, 8]
    encoded = tokens.encode(rows[0]["prompt"], rows[0]["chosen"])
    assert {line["chosen_tokens"] for line in lines if "held_out" not in line} == {len(encoded.ids) - encoded.begin}
    make_run(tmp_path, "tiny/dpo", steps=10, save_every=4, **changes)
    assert work(path) == 0
    resumed = RunFolder(path).result()
    assert resumed["before"] == result["before"] and resumed["after"]["margin"] > 0.01, (
        "held against the start, not step 8"
    )
