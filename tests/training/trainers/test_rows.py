"""What the preview shows, what trainers are handed and what is saved are one: the labels of the very batch, the ends of every turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer
from trl import SFTConfig

from lab.core.recipes import GrpoRecipe, Recipe, RuleUse, parse
from lab.data.datasets import Dataset
from lab.data.turns import as_conversation
from lab.sandbox.rewards import weighed
from lab.store.models import resolve
from lab.store.run_folder import RunFolder
from lab.training.algorithms import dpo, grpo, sft
from lab.training.models.base import load, load_tokens
from lab.training.models.length_filter import fit
from lab.training.models.tokens import IGNORED
from lab.training.preview import preview
from lab.training.task import Task
from lab.training.worker.notes import notes
from lab.training.worker.reporter import Reporter
from lab.words import with_mend
from tests.training.variants import TEMPLATES, make_variant

ROWS = [
    {"prompt": "2 + 2", "completion": "so</think>4", "chosen": "4", "rejected": "4, or 5"},
    {"prompt": "Solve 3x = 9", "completion": "x = 3", "chosen": "x = 3", "rejected": "no"},
]


def task_of(recipe: Recipe, rows: list[dict[str, Any]], home: Path) -> Task:
    run = RunFolder(home / "runs" / "run-1")
    run.path.mkdir(parents=True)
    task = Task(recipe, run, Reporter(run, 1), Dataset(rows, [], ""), [], home=home)
    task.loaded = load(recipe, home)
    return task


def written(folder: Path, rows: list[dict[str, Any]]) -> str:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_preview_shows_the_labels_of_the_trainers_own_batch(tmp_path: Path, name: str) -> None:
    folder = make_variant(tmp_path / "model", name)
    common = {"algorithm": "sft", "model": str(folder), "training": "lora", "lora_rank": 2, "batch_size": 2, "steps": 1}
    recipe = parse({**common, "dataset": written(tmp_path, ROWS), "max_length": 40, "measure_samples": 0})
    shown = preview(recipe, tmp_path)["rows"]
    task = task_of(recipe, ROWS, tmp_path)
    batch = next(iter(sft.build_trainer(task).get_train_dataloader()))
    decode = task.tokenizer.decode
    pairs = {
        (decode(ids[mask.bool()]), decode(labels[labels != IGNORED]))
        for ids, mask, labels in zip(batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True)
    }
    seen = {(row["completion"]["masked"] + row["completion"]["trained"], row["completion"]["trained"]) for row in shown}
    assert pairs == seen and len(pairs) == 2
    assert all(trained.endswith("<|end|>") for _, trained in pairs)


def test_one_process_trains_on_one_gpu_of_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers would wrap the model in DataParallel where it sees several, and take a batch for each of them."""
    finish = SFTConfig.__post_init__

    def with_four(arguments: SFTConfig) -> None:
        finish(arguments)
        arguments._n_gpu = 4

    monkeypatch.setattr(SFTConfig, "__post_init__", with_four)
    values = {"algorithm": "sft", "dataset": written(tmp_path, ROWS), "batch_size": 2, "steps": 1, "measure_samples": 0}
    trainer = sft.build_trainer(task_of(parse(values), ROWS, tmp_path))
    assert trainer.args.n_gpu == 1 and trainer.args.train_batch_size == 2


def test_every_turn_that_is_trained_is_marked_in_the_preview(tmp_path: Path) -> None:
    turns = [("user", "1 + 1"), ("assistant", "2"), ("user", "2 + 2")]
    row = {"prompt": [{"role": role, "content": text} for role, text in turns], "completion": "4"}
    tokens = load_tokens(resolve("tiny", tmp_path))
    from lab.training.models.tokens import answered
    from lab.training.preview import _told

    encoded = tokens.encode(row["prompt"], "4", every_turn=True)
    told = _told(tokens, encoded.ids, encoded.labels, answered(row["prompt"], "4"))  # type: ignore[arg-type]
    marked = [(text, counted) for text, whose, counted in told["parts"] if whose == "row"]
    assert marked == [("1 + 1", False), ("2", True), ("2 + 2", False), ("4", True)]
    assert told["trained"] == "2<|end|>4<|end|>"


@pytest.mark.parametrize("name", TEMPLATES)
def test_dpo_compares_completions_up_to_and_with_their_end(tmp_path: Path, name: str) -> None:
    folder = make_variant(tmp_path / "model", name)
    common = {"algorithm": "dpo", "model": str(folder), "lora_rank": 2, "batch_size": 2, "steps": 1}
    recipe = parse({**common, "max_length": 64, "measure_samples": 0})
    task = task_of(recipe, ROWS, tmp_path)
    batch = next(iter(dpo.build_trainer(task).get_train_dataloader()))
    mask = batch["completion_mask"].bool()
    texts = sorted(task.tokenizer.decode(row[kept]) for row, kept in zip(batch["input_ids"], mask, strict=True))
    assert texts == sorted(f"{row[side]}<|end|>" for row in ROWS for side in ("chosen", "rejected"))


@pytest.mark.parametrize("training", ["full", "lora"])
def test_what_is_saved_stops_at_every_end(tmp_path: Path, training: str) -> None:
    folder = make_variant(tmp_path / "model", "two_ends")
    (folder / "generation_config.json").unlink()  # known by the template alone
    recipe = parse({"algorithm": "sft", "model": str(folder), "training": training, "lora_rank": 2})
    task = task_of(recipe, ROWS, tmp_path)
    task.save_model()
    saved = tmp_path / "runs" / "run-1" / "model"
    config = json.loads((saved / "generation_config.json").read_text())
    assert config["eos_token_id"] == [0, 1] and config["pad_token_id"] == 0
    assert AutoTokenizer.from_pretrained(saved).chat_template
    ref = resolve(str(saved), tmp_path)
    assert (ref.adapter is not None) is (training == "lora")
    assert load_tokens(ref).ends == task.tokens.ends == (0, 1)


def rewarded(tmp_path: Path, rule: str, text: str) -> list[float]:
    folder = make_variant(tmp_path / "model", "thought")
    recipe = GrpoRecipe(
        model=str(folder), steps=1, batch_size=2, group_size=2, max_completion_length=4, lora_rank=2, measure_samples=0
    )
    task = task_of(recipe, [{"prompt": "2 + 2", "answer": "4"}], tmp_path)
    source = f"def reward(prompt, completion, answer):\n    return float(completion.startswith({text!r}))\n"
    task.rules = weighed([RuleUse(name=rule, source=source)])
    trainer = grpo.build_trainer(task)
    rows = [{"prompt": as_conversation("2 + 2"), "answer": "4"}] * 2
    trainer._generate_and_score_completions(rows)
    assert trainer.rollout is not None
    assert all(line.startswith("<think>\n") for line in trainer.rollout.texts)
    return [reward.value for reward in trainer.rollout.rewards]


def test_rules_see_what_the_template_opened(tmp_path: Path) -> None:
    assert rewarded(tmp_path, "opened", "<think>\n") == [1.0, 1.0]


def said(tmp_path: Path, name: str, algorithm: str, rows: list[dict[str, Any]] = ROWS) -> dict[str, str]:
    folder = tmp_path / "model"
    if not folder.exists():
        make_variant(folder, name)
    recipe = parse({"algorithm": algorithm, "model": str(folder), "dataset": "rows.jsonl", "measure_samples": 0})
    fitted = fit(recipe, Dataset(rows, [], ""), tmp_path)
    found = [note.as_dict() for note in notes(fitted, tmp_path)]
    for note in found:
        assert "{" not in with_mend(note) + with_mend(note, "zh")
    return {note["key"]: with_mend(note) for note in found if note["key"].startswith(("template", "tokens"))}


def test_a_thought_that_is_asked_and_not_trained_is_said_before_the_start(tmp_path: Path) -> None:
    trained = said(tmp_path, "thought", "sft")
    assert set(trained) == {"template_opens_untrained", "template_drops"}
    assert "<think>" in trained["template_opens_untrained"] and "1 of the first 2 rows" in trained["template_drops"]
    sampled = said(tmp_path, "thought", "grpo", [{"prompt": "2 + 2", "answer": "4"}])
    assert set(sampled) == {"template_opens"}


def test_templates_without_surprises_need_no_note(tmp_path: Path) -> None:
    assert said(tmp_path, "new_line", "sft") == {}


def test_a_model_without_a_template_is_told_what_it_gets(tmp_path: Path) -> None:
    make_variant(tmp_path / "model")
    (tmp_path / "model" / "chat_template.jinja").unlink()
    assert set(said(tmp_path, "own", "sft")) == {"template_plain"}


def test_a_template_that_writes_no_end_is_told_what_is_added(tmp_path: Path) -> None:
    folder = make_variant(tmp_path / "model")
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    found = said(tmp_path, "own", "sft")
    assert set(found) == {"template_without_end"} and "<|end|>" in found["template_without_end"]
