"""Templates of the kinds that public models have: what is asked is what is trained on, read by reward models and shown, in all of them.

``tests/training/templates`` holds one of each kind, in the tokens of the tiny base.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from lab.core.recipes import parse
from lab.data.datasets import Dataset
from lab.data.turns import Prompt
from lab.errors import ModelError
from lab.training.models.length_filter import fit
from lab.training.models.scorer import rows_to_score
from lab.training.models.tokens import IGNORED, Encoded, Tokens, eos_in, tokens_of
from lab.training.preview import preview
from lab.training.trainers.rows import compared_pair, demonstration, scored_pair
from lab.training.worker.notes import notes
from lab.words import with_mend, word
from tests.training.variants import edit, make_variant

FOLDER = Path(__file__).parents[1] / "templates"
NAMES = sorted(path.stem for path in FOLDER.glob("*.jinja"))
REFUSE_SYSTEM = ("gemma_2",)
LEAVE_OUT = {"drops_system": ["system"], "last_turns_only": ["system", "user"]}
"""What a template does not write of a system text and two questions."""
WITHOUT_END = ("chatglm", "falcon", "no_last_end")


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


SYSTEM = {"role": "system", "content": "Be brief."}
EARLIER = [user("1 + 1"), {"role": "assistant", "content": "two"}]
PROMPTS: dict[str, Prompt] = {
    "one": "2 + 2",
    "system": [SYSTEM, user("2 + 2")],
    "several": [*EARLIER, user("2 + 2")],
    "both": [SYSTEM, *EARLIER, user("2 + 2")],
}


def folder_of(name: str, home: Path) -> Path:
    folder = make_variant(home / "model")
    (folder / "chat_template.jinja").write_text((FOLDER / f"{name}.jinja").read_text("utf-8"), "utf-8")
    edit(folder / "tokenizer_config.json", lambda settings: settings | {"bos_token": "<|pad|>"})
    return folder


@pytest.fixture(scope="module")
def every_one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokens]:
    homes = {name: tmp_path_factory.mktemp(name) for name in NAMES}
    folders = {name: folder_of(name, home) for name, home in homes.items()}
    return {name: tokens_of(AutoTokenizer.from_pretrained(place), eos_in(place)) for name, place in folders.items()}


def written(tokens: Tokens, ids: list[int]) -> str:
    return str(tokens.tokenizer.decode(ids))


def trained(tokens: Tokens, encoded: Encoded) -> str:
    return written(tokens, [label for label in encoded.labels if label != IGNORED])


def prompts_of(name: str) -> Iterator[Prompt]:
    for kind, prompt in PROMPTS.items():
        if not (name in REFUSE_SYSTEM and kind in ("system", "both")):
            yield prompt


@pytest.mark.parametrize("answer", ["= 4", "<think>\nso\n</think>\n\n= 4", " = 4 \n"])
@pytest.mark.parametrize("name", NAMES)
def test_the_answer_alone_is_trained_behind_what_is_asked(every_one: dict[str, Tokens], name: str, answer: str) -> None:
    tokens = every_one[name]
    for prompt in prompts_of(name):
        encoded = tokens.encode(prompt, answer)
        learnt = trained(tokens, encoded)
        assert encoded.ids[: encoded.begin] == tokens.asked_as_trained(prompt)
        assert "2 + 2" in written(tokens, encoded.ids[: encoded.begin]) and "2 + 2" not in learnt
        assert answer.strip() in learnt or tokens.loses(prompt, answer)
        assert encoded.end == len(encoded.ids) - 1 and encoded.ids[-1] in tokens.ends
        assert learnt.count("<|end|>") == 1, "the end once"
        if tokens.opened.trained:
            assert encoded.ids[: encoded.begin] == tokens.asked(prompt)


@pytest.mark.parametrize("name", NAMES)
def test_a_reward_model_reads_in_ppo_and_jobs_what_it_was_trained_on(every_one: dict[str, Tokens], name: str) -> None:
    tokens, recipe = every_one[name], parse({"algorithm": "rm"})
    for prompt in prompts_of(name):
        row = {"prompt": prompt, "chosen": "= 4", "rejected": "= 45 or so"}
        pair = scored_pair(tokens, row, recipe)
        texts = [(prompt, row["chosen"]), (prompt, row["rejected"])]
        assert rows_to_score(tokens, texts) == [pair["chosen_ids"], pair["rejected_ids"]]
        compared = compared_pair(tokens, row, recipe)
        assert compared["prompt_ids"] + compared["chosen_ids"] == pair["chosen_ids"]


@pytest.mark.parametrize("name", sorted({*NAMES} - {"last_turns_only"}))
def test_every_turn_of_the_assistant_is_trained_and_nothing_of_the_users(
    every_one: dict[str, Tokens], name: str
) -> None:
    tokens = every_one[name]
    for kind in ("several",) if name in REFUSE_SYSTEM else ("several", "both"):
        encoded = tokens.encode(PROMPTS[kind], "= 4", every_turn=True)
        texts = [written(tokens, encoded.ids[span.begin : span.stop]) for span in encoded.spans]
        assert len(texts) == 2 and "two" in texts[0] and "= 4" in texts[1]
        assert not any(question in text for text in texts for question in ("1 + 1", "2 + 2", "Be brief"))
        assert ("<|end|>" in texts[0]) is (name not in ("chatglm", "falcon"))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_template_leaves_out_of_a_prompt_is_known(every_one: dict[str, Tokens], name: str) -> None:
    for kind, prompt in PROMPTS.items():
        if not (name in REFUSE_SYSTEM and kind in ("system", "both")):
            left_out = every_one[name].drops(prompt)
            assert left_out == [] or (kind != "one" and set(left_out) <= set(LEAVE_OUT[name]))
            assert not (name == "drops_system" and kind == "system" and not left_out)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_begins_twice(every_one: dict[str, Tokens], name: str) -> None:
    tokens = every_one[name]
    beginning = tokens.tokenizer.bos_token_id
    assert tokens.encode("2 + 2", "= 4").ids.count(beginning) <= 1 and tokens.asked("2 + 2").count(beginning) <= 1


@pytest.mark.parametrize("name", ["mistral_v03", "deepseek_r1", "chatglm", "qwen_3", "drops_system"])
def test_the_preview_shows_the_labels_of_the_trainers_batch(tmp_path: Path, name: str) -> None:
    folder, file = folder_of(name, tmp_path), tmp_path / "rows.jsonl"
    turns = [*PROMPTS["both"], {"role": "assistant", "content": "= 4"}]  # type: ignore[misc]
    file.write_text(json.dumps({"messages": turns}) + "\n", "utf-8")
    recipe = parse(
        {"algorithm": "sft", "model": str(folder), "dataset": str(file), "train_on": "all", "measure_samples": 0}
    )
    shown = preview(recipe, tmp_path)
    tokens = tokens_of(AutoTokenizer.from_pretrained(folder), eos_in(folder))
    row = {"prompt": PROMPTS["both"], "completion": "= 4", "messages": turns}
    labels = demonstration(tokens, row, parse({"algorithm": "sft", "max_length": 512}))["labels"]
    assert shown["rows"][0]["completion"]["trained"] == written(tokens, [each for each in labels if each != IGNORED])
    said = [note["key"] for note in shown["notes"]]
    assert ("template_drops_turns" in said) is (name == "drops_system")


def test_what_is_left_out_of_prompts_is_said_with_the_mend(tmp_path: Path) -> None:
    recipe = parse({"algorithm": "grpo", "model": str(folder_of("drops_system", tmp_path))})
    rows = Dataset([{"prompt": PROMPTS["system"], "answer": "4"}, {"prompt": "2 + 2", "answer": "4"}], [], "")
    (note,) = [each for each in notes(fit(recipe, rows, tmp_path), tmp_path) if each.key == "template_drops_turns"]
    assert (note.params, note.mend) == ({"count": 1, "rows": 2, "roles": "system"}, {"system_in_first_turn": True})
    assert all("system" in with_mend(note.as_dict(), locale) for locale in ("en", "zh"))


def test_a_template_that_writes_the_date_is_said(tmp_path: Path) -> None:
    recipe = parse({"algorithm": "grpo", "model": str(folder_of("llama_3", tmp_path))})
    rows = Dataset([{"prompt": "2 + 2", "answer": "4"}], [], "")
    assert "template_dates" in [each.key for each in notes(fit(recipe, rows, tmp_path), tmp_path)]


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("{% for m in messages %}{{ m.content }", "template_broken"),
        ("{% for m in messages %}{{ m.content|nonsense }}{% endfor %}", "template_broken"),
        ("{% for m in messages %}{{ m.content + 1 }}{% endfor %}", "template_refuses"),
        ("{% for m in messages %}{{ m.content / 0 }}{% endfor %}", "template_refuses"),
        ("{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}", "template_leaves_out"),
        ("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", "template_leaves_out"),
        ("nothing of it", "template_leaves_out"),
    ],
)  # fmt: skip
def test_a_template_that_cannot_be_used_is_one_sentence(tmp_path: Path, template: str, key: str) -> None:
    folder = make_variant(tmp_path / "model")
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    with pytest.raises(ModelError) as caught:
        tokens_of(AutoTokenizer.from_pretrained(folder))
    assert caught.value.key == key
    assert all("{" not in word(caught.value, locale) for locale in ("en", "zh"))


@pytest.mark.parametrize("with_default", [True, False])
def test_named_templates_need_a_default_one(tmp_path: Path, with_default: bool) -> None:
    folder = make_variant(tmp_path / "model")
    own = (folder / "chat_template.jinja").read_text("utf-8")
    (folder / "chat_template.jinja").unlink()
    named = [
        {"name": "default" if with_default else "chat", "template": own},
        {"name": "rag", "template": "{{ messages }}"},
    ]
    edit(folder / "tokenizer_config.json", lambda settings: settings | {"chat_template": named})
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if with_default:
        assert tokens_of(tokenizer).asked("2 + 2") == tokens_of(
            AutoTokenizer.from_pretrained(make_variant(tmp_path / "own"))
        ).asked("2 + 2")
        return
    with pytest.raises(ModelError) as caught:
        tokens_of(tokenizer)
    assert caught.value.key == "template_broken"
