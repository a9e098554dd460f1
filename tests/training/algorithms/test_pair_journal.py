"""pairs.jsonl and tokens.jsonl of DPO: what stands there is the update's own, adds up, and keeps to its room."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lab.store.run_folder import PAIRS
from lab.store.token_lines import TOKENS
from lab.training.models.roles import acting_as
from lab.training.trainers.pair_journal import PairJournal
from lab.training.worker.reporter import Reporter

STEPS = 3


@pytest.fixture
def trained(make_task):
    """A DPO run of a few steps with its journal, and the weights before its first step."""

    def train(megabytes=8.0):
        from lab.training.algorithms import dpo

        torch.manual_seed(5)
        task = make_task("dpo", steps=STEPS, beta=0.5, learning_rate=0.01)
        trainer = dpo.build_trainer(task)
        trainer.journal = PairJournal(Reporter(task.folder, STEPS), task.tokenizer, megabytes, STEPS)
        before = {name: value.detach().clone() for name, value in task.model.state_dict().items()}
        trainer.train()
        lines = [line for step in range(1, STEPS + 1) for line in map(_parsed, task.folder.shown_lines_raw(step, step))]
        return task, before, lines, [line for line in trainer.state.log_history if "margin" in line]

    return train


def _parsed(raw):
    import json

    return json.loads(raw)


@pytest.mark.train
def test_tokens_equal_those_recomputed_from_the_weights(trained):
    task, before, lines, _ = trained()
    task.model.load_state_dict(before)
    task.model.eval()
    first = [line for line in lines if line["step"] == 1]
    assert len(first) == 4 and {line["step"] for line in lines} == {1, 2, 3}
    for pair in first:
        (told,) = task.folder.token_lines(pair["step"], pair["group"])
        for side, tokens in zip(("chosen", "rejected"), told["completions"], strict=True):
            prompt = next(
                task.tokens.encode_pair(row["prompt"], row["chosen"], row["rejected"])
                for row in task.dataset.train
                if task.tokenizer.decode(tokens["token_ids"], skip_special_tokens=True) == row[side]
                and pair["prompt"] in _asked(task, row)
            )[0 if side == "chosen" else 1]
            ids, begin = prompt.ids, prompt.begin
            assert tokens["token_ids"] == ids[begin : begin + len(tokens["token_ids"])]
            with torch.no_grad():
                policy = _logps(task.model, ids)
                with acting_as(
                    task.model, "ref" if "ref" in task.model.peft_config else None
                ):  # its start had an adapter
                    start = _logps(task.model, ids)
            count = len(tokens["token_ids"])
            assert tokens["logps"] == pytest.approx(policy[begin - 1 : begin - 1 + count], abs=2e-4)
            assert tokens["ref_logps"] == pytest.approx(start[begin - 1 : begin - 1 + count], abs=2e-4)


def _asked(task, row):
    encoded = task.tokens.encode_pair(row["prompt"], row["chosen"], row["rejected"])[0]
    return task.tokenizer.decode(encoded.ids[: encoded.begin], skip_special_tokens=True)


def _logps(model, ids):
    logits = model(input_ids=torch.tensor([ids])).logits[0, :-1]
    return torch.log_softmax(logits.double(), -1).gather(-1, torch.tensor(ids[1:])[:, None]).squeeze(-1).tolist()


@pytest.mark.train
def test_tokens_add_up_to_the_margin_and_pairs_to_the_steps(trained):
    task, _, lines, logged = trained()
    for pair in lines:
        (told,) = task.folder.token_lines(pair["step"], pair["group"])
        parts = [part for side in told["completions"] for part in side["parts"]]
        assert sum(parts) == pytest.approx(pair["margin"], abs=1e-3)
        chosen, rejected = pair["completions"]
        assert pair["margin"] == pytest.approx(chosen["reward"] - rejected["reward"], abs=1e-4)
        assert (
            chosen["advantage"] == pytest.approx(1 / (1 + np.exp(pair["margin"])), abs=1e-5) == -rejected["advantage"]
        )
    for step, line in enumerate(logged, start=1):
        margins = [pair["margin"] for pair in lines if pair["step"] == step]
        assert np.mean(margins) == pytest.approx(line["margin"], abs=1e-3), "all four pairs of the batch are written"
    assert max(abs(pair["margin"]) for pair in lines) > 1e-3


@pytest.mark.train
def test_both_files_keep_to_the_room(trained):
    task, *_ = trained(megabytes=0.008)
    sizes = [(task.folder.path / name).stat().st_size for name in (PAIRS, TOKENS)]
    assert 0 < sum(sizes) <= 8000
    assert task.folder.has_pairs() and not task.folder.has_groups()
