"""What rules say of the pairs that people decided: planted judgements, real rules."""

from __future__ import annotations

import pytest

from lab.annotation.collections import Annotation
from lab.annotation.rewarded_pairs import decided_in, model_agrees, rules_agree, rules_named
from lab.core.preferences import Place
from lab.core.recipes import parse
from lab.core.rule_sets import RuleEntry
from lab.core.shares import Share
from lab.errors import RuleError, StateError
from lab.store.rule_sets import RuleSets
from lab.store.runs import Store
from tests.annotation.annotating import ANNA, BEN, given, judge_all, says, sums

RIGHT = "def reward(prompt, completion, answer):\n    n = int(prompt.split(' ')[0])\n    return 1.0 if str(n + 1) in completion else 0.0\n"


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "home", allow_unsafe_disk=True)
    yield opened
    opened.close()


def test_a_saved_rule_set_agrees_with_those_who_are_right(store):
    annotation = Annotation(store)
    collection = sums(annotation, overlap=2)
    with pytest.raises(StateError) as nothing:
        decided_in(store, collection)
    assert nothing.value.key == "agree_nothing"
    for who in (ANNA, BEN):
        judge_all(annotation, who, collection)
    RuleSets(store).save("mine", [RuleEntry(name="right", source=RIGHT)])
    found = rules_agree(store, collection, rules_named(store, "mine"))
    assert (found.agreement.agree, found.failures) == (Share(6, 6), ())
    against = RuleEntry(name="right", source=RIGHT, weight=-1.0)
    RuleSets(store).save("mine", [against])
    found = rules_agree(store, collection, rules_named(store, "mine"))
    assert found.agreement.agree == Share(0, 6)
    assert len(found.agreement.disagreements) == 6


def test_a_rule_that_fails_is_named_and_its_fallback_is_a_tie(store):
    annotation = Annotation(store)
    collection = sums(annotation)
    judge_all(annotation, ANNA, collection)
    found = rules_agree(store, collection, rules_named(store, "equals_answer"))
    (failure,) = found.failures
    assert (failure.rule, failure.count, failure.of) == ("equals_answer", 12, 12)
    assert (found.agreement.agree, found.agreement.ties) == (Share(3, 6), 6)
    with pytest.raises(RuleError) as unknown:
        rules_named(store, "nobody")
    assert "equals_answer" in unknown.value.params["known"]


def test_lines_of_a_reward_model_are_read_by_pair(store):
    annotation = Annotation(store)
    collection = sums(annotation)
    judge_all(annotation, ANNA, collection, right=False)
    pairs = annotation.pairs(collection)
    first_is_right = [pair.first.source == "right" for pair in pairs]
    lines = [
        {"pair": pair.id, "first": float(right), "second": float(not right)}
        for pair, right in zip(pairs, first_is_right, strict=True)
    ]
    found = model_agrees(store, collection, "run:20260101-000000-abcd", lines[:4])
    assert (found.agree, found.unseen, found.unscored) == (Share(0, 4), Share(0, 4), 2)


def test_answers_are_known_by_the_whole_conversation(store):
    """Two conversations that end alike have answers of their own."""
    annotation = Annotation(store)
    run = store.create_run(parse({"algorithm": "grpo", "name": "talks"}))
    for group, (system, answer) in enumerate((("Add.", "7"), ("Multiply.", "12"))):
        turns = [{"role": "system", "content": system}, {"role": "user", "content": "3, 4"}]
        line = {"version": 1, "step": 1, "group": group, "prompt": "3, 4", "turns": turns, "answer": answer, "mean": 0}
        completions = [{"text": text, "truncated": False, "reward": 0, "kept": True} for text in ("7", "12")]
        store.folder(run.id).append("groups", line | {"std": 0, "completions": completions})
    collection = annotation.import_run(run.id).collection.id
    for pair in given(annotation, ANNA, collection, 2):
        right = "7" if pair["prompt"][0]["content"] == "Add." else "12"
        says(annotation, ANNA, collection, pair, Place.LEFT if pair["a"] == right else Place.RIGHT)
    found = rules_agree(store, collection, rules_named(store, "equals_answer"))
    assert (found.agreement.agree, found.failures) == (Share(2, 2), ())
