"""What a job's worker does, with the shipped tiny model: sampling, and the pre-flight on planted rules. In this process; ``work_job`` is
all that a worker calls, and ``tests/runs/test_jobs.py`` has the process itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.annotation.collections import Annotation
from lab.core.jobs import SampleSpec, Spec, preflight_of
from lab.core.recipes import Recipe, parse
from lab.store.jobs import Job, JobStore
from lab.store.runs import RunState, Store
from tests.annotation.annotating import ANNA, judge_all, sums

pytestmark = pytest.mark.train

ALWAYS_0 = "def reward(prompt, completion, answer):\n    return 0.0\n"
SUM_IS_RIGHT = """
def reward(prompt, completion, answer):
    first = prompt.split(" ")[0]
    return 1.0 if first.isdigit() and str(int(first) + 1) in completion else 0.0
"""
ALWAYS_1 = "def reward(prompt, completion, answer):\n    return 1.0\n"
FAILS_ON_HALF = """
def reward(prompt, completion, answer):
    if "→" in completion:
        raise ValueError("too much to read")
    return 1.0 if answer in completion else 0.0
"""


def do(spec: Spec, home: Path) -> tuple[Job, list[dict[str, Any]]]:
    from lab.training.worker.jobs import work_job

    jobs = JobStore(home)
    folder = jobs.folder(jobs.create(spec).id)
    folder.take()
    status = work_job(folder.path)
    job = folder.job()
    assert status == (0 if job.state is RunState.FINISHED else 1)
    return job, folder.lines().lines


def grpo(rules: list[dict[str, Any]], **more: Any) -> Recipe:
    return parse(
        {"algorithm": "grpo", "rules": rules, "group_size": 8, "batch_size": 64, "max_completion_length": 32, **more}
    )


def preflight(recipe: Recipe, home: Path, prompts: int | None = 16, **more: Any) -> dict[str, Any]:
    job, _ = do(preflight_of(recipe, prompts, **more), home)
    assert job.result is not None and job.error is None, job.error
    report: dict[str, Any] = job.result["report"]
    return report


# ---- sampling


def test_the_same_seed_writes_the_same_and_another_does_not(tmp_path: Path) -> None:
    def texts(seed: int, batch: int = 64) -> list[str]:
        spec = SampleSpec(
            prompts=("Solve 3x + 5 = 20", "解方程：2x + 7 = 11"), completions=8, seed=seed, batch_size=batch
        )
        job, lines = do(spec, tmp_path)
        assert job.state is RunState.FINISHED
        return [
            line["text"] for line in sorted(lines, key=lambda line: (line["prompt_number"], line["completion_number"]))
        ]

    first = texts(1)
    assert first == texts(1) != texts(2)
    assert len(set(first)) > 3
    small = texts(1, batch=4)
    assert len(set(small[:4])) > 1 and small[:4] != small[4:8], "each batch draws anew"


def test_what_is_cut_is_marked(tmp_path: Path) -> None:
    spec = SampleSpec(prompts=("Solve 3x + 5 = 20",), completions=16, max_completion_length=6)
    _, lines = do(spec, tmp_path)
    assert {line["truncated"] for line in lines} == {True, False}
    assert all(line["tokens"] == 6 for line in lines if line["truncated"])
    assert all(line["tokens"] <= 6 for line in lines)


def test_an_error_is_the_jobs_result(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / "model" / name).write_text("{}")
    job, lines = do(SampleSpec(model=str(tmp_path / "model"), prompts=("p",)), tmp_path)
    assert job.state is RunState.FAILED and lines == []
    assert job.error is not None and job.error["key"] in ("model_cannot_load", "model_tokenizer")


def test_two_models_are_asked_the_same(tmp_path: Path) -> None:
    from lab.data.prompts import asked_prompts

    one, other = (SampleSpec(model=model, dataset="equations", count=9, part="validation") for model in ("tiny", "a/b"))
    assert asked_prompts(one) == asked_prompts(other)
    train = {asked.prompt for asked in asked_prompts(SampleSpec(dataset="equations", count=2000))}
    assert len(asked_prompts(one)) == 9 and not train & {asked.prompt for asked in asked_prompts(one)}


# ---- the pre-flight


@pytest.mark.parametrize(
    ("source", "kind", "key"),
    [
        (ALWAYS_0, "bad", "always_lowest"),
        (ALWAYS_1, "bad", "always_highest"),
        (FAILS_ON_HALF, "bad", "rule_fails"),
        (None, "good", "good"),
    ],
    ids=["always 0", "always 1", "errors on half", "good"],
)
def test_the_verdict_on_planted_rules(tmp_path: Path, source: str | None, kind: str, key: str) -> None:
    rule = {"name": "planted", "source": source} if source else {"name": "equals_answer"}
    report = preflight(grpo([rule]), tmp_path)
    assert (report["verdict"]["kind"], report["verdict"]["key"]) == (kind, key)
    if source == FAILS_ON_HALF:
        assert report["verdict"]["params"]["rule"] == "planted"
        assert 0.3 < report["rules"][0]["errors"] < 0.7
        assert "too much to read" in report["verdict"]["params"]["message"]


def test_its_lines_are_scored_and_make_the_report(tmp_path: Path) -> None:
    job, lines = do(
        preflight_of(grpo([{"name": "equals_answer", "weight": 2.0}, {"name": "integer_answer"}]), 9), tmp_path
    )
    assert job.result is not None
    report = job.result["report"]
    assert len(lines) == report["completions"] == 72 and report["prompts"] == 9
    for line in lines:
        assert line["reward"] == 2 * line["scores"]["equals_answer"] + line["scores"]["integer_answer"]
    by_prompt: dict[int, set[float]] = {}
    for line in lines:
        by_prompt.setdefault(line["prompt_number"], set()).add(line["reward"])
    assert report["no_spread"]["count"] == sum(len(rewards) == 1 for rewards in by_prompt.values())
    assert report["reward"]["mean"] == pytest.approx(sum(line["reward"] for line in lines) / 72)


def test_it_ends_between_two_rounds_when_its_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is only kept to where somebody named it."""
    from lab.training.worker import preflight as module

    monkeypatch.setattr(module, "PREFLIGHT_SECONDS", 0.0)
    recipe = grpo([{"name": "equals_answer"}])
    assert preflight(recipe, tmp_path, None)["prompts"] == module.ROUND
    assert preflight(recipe, tmp_path, 40)["prompts"] == 40


def test_agreement_with_people(tmp_path: Path) -> None:
    """What a person decided in a collection, by rules of which one cannot know the answers: it fails, and its fallback is the same for both."""
    store = Store(tmp_path, allow_unsafe_disk=True)
    annotation = Annotation(store)
    collection = sums(annotation)
    judge_all(annotation, ANNA, collection)
    store.close()
    right = {"name": "right", "source": SUM_IS_RIGHT}
    people = preflight(grpo([right]), tmp_path, 4, collection=collection)["people"]
    assert (people["agree"], people["pairs"], people["ties"], people["failures"]) == (1.0, 6, 0, [])
    report = preflight(grpo([{"name": "equals_answer"}]), tmp_path, 4, collection=collection)
    assert (report["people"]["agree"], report["people"]["pairs"], report["people"]["ties"]) == (0.5, 6, 6)
    assert [(one["rule"], one["count"], one["of"]) for one in report["people"]["failures"]] == [
        ("equals_answer", 12, 12)
    ]
    assert {"people_rule_fails", "people_tied"} <= {note["key"] for note in report["notes"]}


def test_it_asks_what_the_run_asks_first(group_trainer: Any) -> None:
    """The prompts of the trainer's own loader, in its order, with two updates a rollout."""
    from datasets import Dataset

    from lab.data.turns import as_conversation
    from lab.tasks.equations import Split, prompts
    from lab.training.worker.preflight import first_prompts

    rows = prompts(Split.TRAIN, 1, 64)
    recipe = parse({"algorithm": "grpo", "group_size": 4, "batch_size": 16, "iterations": 2, "seed": 7})
    trainer = group_trainer(recipe)
    trainer.train_dataset = Dataset.from_list([{"prompt": as_conversation(row["prompt"])} for row in rows])
    asked = [row["prompt"][-1]["content"] for batch in trainer.get_train_dataloader() for row in batch]
    assert [one.prompt for one in first_prompts(recipe, rows, 10)] == list(dict.fromkeys(asked))[:10]  # type: ignore[arg-type]
    assert len(first_prompts(recipe, rows[:3], 10)) == 3  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ppo_with_a_reward_model(tmp_path: Path) -> None:
    """A reward model of a few steps, on the same base: its scores are a column, and PPO's reward is the weighted sum."""
    from lab.store.runs import Store
    from lab.training.worker.main import work

    store = Store(tmp_path, allow_unsafe_disk=True)
    few = {"steps": 2, "batch_size": 8, "measure_samples": 0}
    run = store.create_run(parse({"algorithm": "rm", "name": "rm", **few}))
    assert work(store.folder(run.id).path) == 0
    recipe = parse(
        {
            "algorithm": "ppo",
            "reward_model": f"run:{run.id}",
            "reward_model_weight": 2.0,
            "rules_weight": 0.5,
            "rules": [{"name": "equals_answer"}],
            "batch_size": 16,
        }
    )
    job, lines = do(preflight_of(recipe, 4), tmp_path)
    assert job.error is None and job.result is not None
    for line in lines:
        scores = line["scores"]
        assert line["reward"] == pytest.approx(0.5 * scores["equals_answer"] + 2 * scores["reward_model"])
    assert len({line["scores"]["reward_model"] for line in lines}) > 1
    assert [rule["name"] for rule in job.result["report"]["rules"]] == ["equals_answer", "reward_model"]
    store.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_foretells_what_the_run_sees_and_a_checkpoint_can_be_asked(tmp_path: Path) -> None:
    """A run that hardly moves, over the very prompts that were looked at: the share without spread within 10 points."""
    from lab.store.runs import Store
    from lab.training.worker.main import work

    few = {"group_size": 4, "batch_size": 64, "steps": 8, "learning_rate": 1e-6, "save_every": 4, "measure_samples": 0}
    recipe = grpo([{"name": "equals_answer"}], **few)
    foretold = preflight(recipe, tmp_path, 128)["no_spread"]
    assert 0.05 < foretold["share"] < 0.9, "neither all nor none, or nothing is foretold"
    store = Store(tmp_path, allow_unsafe_disk=True)
    run = store.create_run(recipe)
    assert work(store.folder(run.id).path) == 0
    groups = store.folder(run.id).group_lines(1, 8)
    seen = sum(group["std"] < 1e-6 for group in groups) / len(groups)
    assert (len(groups), foretold["of"]) == (128, 128)
    assert abs(foretold["share"] - seen) <= 0.1, (foretold, seen)

    job, lines = do(SampleSpec(model=f"run:{run.id}@4", prompts=("Solve 3x + 5 = 20",), completions=4), tmp_path)
    assert job.error is None and len(lines) == 4
    store.close()


# ---- a reward model scores what people judged


def test_a_reward_model_scores_both_responses_of_what_people_decided(tmp_path: Path) -> None:
    import json

    from peft import AutoPeftModelForSequenceClassification

    from lab.annotation.collections import Annotation
    from lab.core.jobs import ScoreSpec
    from lab.core.recipes import RmRecipe
    from lab.store.runs import Store
    from lab.training.algorithms.rm import scores
    from lab.training.models.base import load_scorer
    from lab.training.worker.score_job import load_reward_model
    from tests.annotation.annotating import ANNA, judge_all, sums

    store = Store(tmp_path, allow_unsafe_disk=True)
    annotation = Annotation(store)
    collection = sums(annotation, 5)
    judge_all(annotation, ANNA, collection)
    recipe = parse({"algorithm": "rm", "training": "lora", "steps": 1})
    assert isinstance(recipe, RmRecipe)
    run = store.create_run(recipe)
    loaded = load_scorer(recipe, tmp_path)
    for name, weight in loaded.model.named_parameters():
        if "lora_B" in name:  # a fresh adapter changes nothing: move it, so that one that is not loaded is seen
            weight.data.normal_(0, 0.1)
    place = store.folder(run.id).path / "model"
    loaded.model.save_pretrained(place)
    loaded.tokenizer.save_pretrained(place)
    pairs = annotation.pairs(collection)
    store.close()

    job, lines = do(ScoreSpec(reward_model=f"run:{run.id}", collection=collection), tmp_path)
    assert job.error is None and job.result is not None and job.result["completions"] == 5
    again = AutoPeftModelForSequenceClassification.from_pretrained(place, num_labels=1)
    again.config.pad_token_id = loaded.tokenizer.pad_token_id
    by_pair = {line["pair"]: (line["first"], line["second"]) for line in lines}
    for pair in pairs:
        texts = [(str(pair.prompt), pair.first.text), (str(pair.prompt), pair.second.text)]
        assert by_pair[pair.id] == pytest.approx(tuple(scores(again, loaded.tokens, texts, rows=2)), abs=1e-4)
    assert len({score for both in by_pair.values() for score in both}) == 10
    told = json.dumps(job.spec)
    assert "It is" not in told, "whoever looks at jobs may still have to judge"
    assert not any(p.requires_grad for p in load_reward_model(f"run:{run.id}", recipe, tmp_path).parameters())
