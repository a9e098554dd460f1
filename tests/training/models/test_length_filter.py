"""Prompts that leave no room for a completion are left out and counted; where all are, the run is refused with their lengths."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset as Rows

from lab.core.recipes import parse
from lab.data.datasets import Dataset, load
from lab.data.left_out import WhyLeftOut
from lab.data.turns import as_conversation
from lab.errors import DatasetError
from lab.store.models import SHIPPED, resolve
from lab.training.models.base import load_tokenizer
from lab.training.models.length_filter import Fitted, fit, room_for_prompts
from lab.training.models.ruler import COUNTED, Ruler
from lab.training.models.tokens import Tokens, tokens_of
from lab.words import word
from tests.training.variants import make_variant

CONTEXT = 512
SHORT, LONG = {"prompt": "Solve 2x = 8"}, {"prompt": "7" * 600}


def test_the_room_is_what_the_completion_leaves() -> None:
    base = str(SHIPPED["tiny"])
    assert room_for_prompts(parse({"algorithm": "grpo", "max_completion_length": 32}), base) == CONTEXT - 32
    assert room_for_prompts(parse({"algorithm": "dpo", "max_length": 100}), base) == 99
    assert room_for_prompts(parse({"algorithm": "sft", "max_length": 4096}), base) == CONTEXT - 1
    assert room_for_prompts(parse({"algorithm": "ppo"}), "no-config-here") is None


def test_long_prompts_are_left_out_and_counted(tmp_path: Path) -> None:
    recipe = parse({"algorithm": "grpo", "dataset": "rows.jsonl"})
    found = fit(recipe, Dataset([SHORT, LONG], [LONG | {"answer": "1"}], ""), tmp_path)
    assert found.dataset.train == [SHORT] and found.dataset.held_out == []
    assert found.left_out == {WhyLeftOut.PROMPT_TOO_LONG: 1} and found.not_measured == found.measured_of == 1
    whole = fit(recipe, Dataset([SHORT], [], ""), tmp_path)
    assert whole.dataset.train == [SHORT] and not whole.left_out


@pytest.fixture(scope="module")
def tiny() -> Tokens:
    return tokens_of(load_tokenizer(resolve("tiny", Path())))


def test_the_limit_is_exact(tmp_path: Path, tiny: Tokens) -> None:
    tokens = len(tiny.asked(LONG["prompt"]))
    data = Dataset([LONG], [], "")
    fits = {"algorithm": "grpo", "dataset": "rows.jsonl", "model": "tiny"}
    assert tokens > CONTEXT
    with pytest.raises(DatasetError) as caught:
        fit(parse(fits), data, tmp_path)
    assert caught.value.key == "prompts_too_long" and str(tokens) in word(caught.value)
    row, short = pair("7" * 100, "4"), pair("2 + 2", "4")
    exact = len(tiny.asked(row["prompt"]))
    for length, left in ((exact + 1, [row]), (exact, [])):
        recipe = parse({"algorithm": "dpo", "dataset": "rows.jsonl", "max_length": length})
        kept = fit(recipe, Dataset([row, short], [], ""), tmp_path).dataset.train
        assert kept == [*left, short]


def pair(prompt: str, chosen: str, rejected: str = "5") -> dict[str, str]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def test_pairs_that_a_reward_model_would_not_train_on_are_left_out_and_counted(tmp_path: Path) -> None:
    fits, long, other = pair("2 + 2", "4"), pair("2 + 2", "4 " * 60), pair("2 + 2", "4", "5 " * 60)
    recipe = parse({"algorithm": "rm", "dataset": "pairs.jsonl", "max_length": 40})
    found = fit(recipe, Dataset([long, fits, other], [], "", (fits, long)), tmp_path)
    assert found.dataset.train == [fits] and found.dataset.held_out_pairs == (fits,)
    assert found.left_out == {WhyLeftOut.PAIR_TOO_LONG: 2}
    assert (found.not_measured, found.measured_of) == (1, 2)
    cut = parse({"algorithm": "dpo", "dataset": "pairs.jsonl", "max_length": 40})
    found = fit(cut, Dataset([long, fits], [], ""), tmp_path)
    assert len(found.dataset.train) == 2 and found.cut == 1, "DPO cuts them"


def test_where_all_pairs_are_too_long_the_run_is_refused_in_a_sentence(tmp_path: Path) -> None:
    recipe = parse({"algorithm": "rm", "dataset": "pairs.jsonl", "max_length": 40})
    with pytest.raises(DatasetError) as caught:
        fit(recipe, Dataset([pair("2 + 2", "4 " * 60)], [], ""), tmp_path)
    assert caught.value.key == "pairs_too_long" and caught.value.params["room"] == 40
    assert "max_length" in word(caught.value) and "max_length" in word(caught.value, "zh")
    assert caught.value.params["shortest"] > 60
    short = parse({"algorithm": "rm", "max_length": 8, "steps": 1, "batch_size": 4})
    with pytest.raises(DatasetError, match="pairs_too_long"):
        fit(short, load(short), tmp_path)


@pytest.mark.train
def test_the_pairs_that_are_kept_are_those_that_trl_keeps(tmp_path: Path) -> None:
    from trl import RewardConfig, RewardTrainer

    from lab.training.models.base import load_scorer

    rows = [pair("2 + 2", "4" * length) for length in range(1, 30)]
    recipe = parse({"algorithm": "rm", "dataset": "pairs.jsonl", "max_length": 24})
    kept = fit(recipe, Dataset(rows, [], ""), tmp_path).dataset.train
    loaded = load_scorer(recipe, tmp_path)
    sides = ("chosen", "rejected")
    trainer = RewardTrainer(
        model=loaded.model,
        args=RewardConfig(output_dir=str(tmp_path), max_length=24, report_to=[], use_cpu=True, bf16=False),
        train_dataset=Rows.from_list(
            [
                {"prompt": as_conversation(row["prompt"])}
                | {side: [{"role": "assistant", "content": row[side]}] for side in sides}
                for row in rows
            ]
        ),
        processing_class=loaded.tokenizer,
    )
    assert 0 < len(kept) == len(trainer.train_dataset) < len(rows)


def test_held_out_demonstrations_that_training_would_cut_are_not_measured_on(tmp_path: Path) -> None:
    def row(completion: str) -> dict[str, str]:
        return {"prompt": "2 + 2", "completion": completion, "answer": "4"}

    recipe = parse({"algorithm": "sft", "dataset": "rows.jsonl", "max_length": 40})
    found = fit(recipe, Dataset([row("4")], [row("4"), row("so " * 60)], ""), tmp_path)
    assert found.dataset.held_out == [row("4")]
    assert (found.not_measured, found.measured_of) == (1, 2)


SAME_START = "x = 2 " * 30


def test_pairs_that_are_equal_once_cut_are_left_out_and_refused_where_all_are(tmp_path: Path) -> None:
    equal, other = pair("2x = 4", SAME_START + "yes", SAME_START + "no"), pair("2x = 4", "x = 2", "x = 3")
    cut = parse({"algorithm": "dpo", "dataset": "pairs.jsonl", "max_length": 64})
    found = fit(cut, Dataset([equal, other], [], ""), tmp_path)
    assert found.dataset.train == [other] and found.left_out == {WhyLeftOut.EQUAL_ONCE_CUT: 1} and not found.cut
    with pytest.raises(DatasetError) as caught:
        fit(cut, Dataset([equal], [], ""), tmp_path)
    assert caught.value.key == "pairs_equal_once_cut"
    wanted = caught.value.params["wanted"]
    assert f"max_length={wanted}" in word(caught.value) and f"max_length={wanted}" in word(caught.value, "zh")
    mended = parse({"algorithm": "dpo", "dataset": "pairs.jsonl", "max_length": wanted})
    assert fit(mended, Dataset([equal], [], ""), tmp_path).dataset.train == [equal], "the mend mends it"


def test_a_mend_is_not_promised_where_the_context_ends_before(tmp_path: Path) -> None:
    equal = pair("2x = 4", "x = 2 " * 300 + "yes", "x = 2 " * 300 + "no")
    with pytest.raises(DatasetError) as caught:
        fit(parse({"algorithm": "dpo", "dataset": "pairs.jsonl"}), Dataset([equal], [], ""), tmp_path)
    assert caught.value.key == "pairs_equal_in_context" and caught.value.params["context"] == CONTEXT


def test_the_length_is_what_the_data_needs_where_the_recipe_names_none(tmp_path: Path, tiny: Tokens) -> None:
    for algorithm in ("rm", "dpo"):
        rows = [pair("2x = 4", "x = 2"), pair("2x = 4", SAME_START + "yes", SAME_START + "no")]
        found = fit(parse({"algorithm": algorithm, "dataset": "pairs.jsonl"}), Dataset(rows, [], ""), tmp_path)
        longest = len(tiny.encode("2x = 4", rows[1]["chosen"]).ids)
        assert longest <= found.recipe.max_length < longest + 8 and found.from_data
        assert found.dataset.train == rows and not found.cut
    named = fit(parse({"algorithm": "dpo", "max_length": 64}), Dataset([pair("a", "b", "c")], [], ""), tmp_path)
    assert named.recipe.max_length == 64 and not named.from_data, "a figure that was named stays"
    far = fit(parse({"algorithm": "sft"}), Dataset([{"prompt": "a", "completion": "b " * 900}], [], ""), tmp_path)
    assert far.recipe.max_length == CONTEXT and far.cut == 1


def test_no_more_rows_are_looked_at_than_the_steps_take(tmp_path: Path) -> None:
    rows = [pair(f"{n} + 1", f"{n + 1}", "7") for n in range(10, 60)]
    few = parse({"algorithm": "dpo", "dataset": "pairs.jsonl", "steps": 2, "batch_size": 4, "seed": 3})
    found = fit(few, Dataset(rows, [], ""), tmp_path)
    assert (found.rows, found.drawn) == (50, 8)
    places = [rows.index(row) for row in found.dataset.train]
    assert len(places) == 8 and places == sorted(places) and places != list(range(8))
    assert fit(few, Dataset(rows, [], ""), tmp_path).dataset.train == found.dataset.train, "the seed decides"
    other = parse({"algorithm": "dpo", "dataset": "pairs.jsonl", "steps": 2, "batch_size": 4, "seed": 4})
    assert fit(other, Dataset(rows, [], ""), tmp_path).dataset.train != found.dataset.train
    prompts = parse({"algorithm": "grpo", "dataset": "rows.jsonl", "steps": 1})
    assert fit(prompts, Dataset([SHORT] * 50, [], ""), tmp_path).drawn == 50, "trl draws the prompts of a step itself"


def test_held_out_pairs_are_looked_at_until_enough_fit(tmp_path: Path) -> None:
    long, fits = pair("2 + 2", "4 " * 60), pair("2 + 2", "4")
    recipe = parse({"algorithm": "rm", "dataset": "pairs.jsonl", "max_length": 40, "measure_samples": 3})
    found = fit(recipe, Dataset([fits], [], "", (long, *[fits] * 9)), tmp_path)
    assert len(found.dataset.held_out_pairs) == 3 and (found.not_measured, found.measured_of) == (1, 4)


def test_of_many_rows_few_are_counted_and_none_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[str | None] = []
    count = Ruler._count
    monkeypatch.setattr(Ruler, "_count", lambda self, *row: counts.append(row[1]) or count(self, *row))
    rows = [pair("say it", "so it is " * (n % 9 + 1)) for n in range(1500)]
    found = fit(parse({"algorithm": "rm", "steps": 100, "dataset": "pairs.jsonl"}), Dataset(rows, [], ""), tmp_path)
    assert len(found.dataset.train) == 1500 and not found.left_out and not found.cut
    assert len(counts) <= 2 * 2 * COUNTED


def thinking(tmp_path: Path, algorithm: str, *rows: dict[str, str]) -> Fitted:
    """Rows on a model whose template leaves out what stands before ``</think>``."""
    folder = make_variant(tmp_path / "model", "thought")
    recipe = parse({"algorithm": algorithm, "dataset": "rows.jsonl", "model": str(folder), "max_length": 64})
    return fit(recipe, Dataset(list(rows), [], ""), tmp_path)


@pytest.mark.parametrize("algorithm", ["dpo", "rm"])
def test_pairs_that_are_equal_once_the_template_has_written_them_are_left_out(tmp_path: Path, algorithm: str) -> None:
    equal = pair("2 + 2", "<think>a</think>4", "<think>b</think>4")
    differ = pair("2 + 2", "<think>a</think>4", "<think>a</think>5")
    found = thinking(tmp_path, algorithm, equal, differ, pair("2 + 2", "4"))
    assert found.dataset.train == [differ, pair("2 + 2", "4")]
    assert found.left_out == {WhyLeftOut.EQUAL_ONCE_WRITTEN: 1}
    with pytest.raises(DatasetError) as caught:
        thinking(tmp_path / "again", algorithm, equal)
    assert caught.value.key == "rows_equal_once_written" and "</think>" in word(caught.value, "zh")


def test_an_answer_of_which_the_template_leaves_nothing_is_not_learnt(tmp_path: Path) -> None:
    kept = {"prompt": "2 + 2", "completion": "<think>a</think>4"}
    nothing = {"prompt": "2 + 3", "completion": "<think>a</think>"}
    found = thinking(tmp_path, "sft", kept, nothing)
    assert found.dataset.train == [kept] and found.left_out == {WhyLeftOut.NOTHING_WRITTEN: 1}
    with pytest.raises(DatasetError) as caught:
        thinking(tmp_path / "again", "sft", nothing)
    assert caught.value.key == "rows_nothing_written" and "</think>" in word(caught.value)
    own = parse({"algorithm": "sft", "dataset": "rows.jsonl", "max_length": 64})
    assert fit(own, Dataset([nothing], [], ""), tmp_path).dataset.train == [nothing], "a template that keeps thoughts"
