"""One place says which tokens a conversation has, which are trained, and where turns end."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

import lab
from lab.errors import ModelError
from lab.store.models import PLAIN_TEMPLATE
from lab.training.models.tokens import IGNORED, Tokens, eos_in, tokens_of
from tests.training.variants import TEMPLATES, add_token, make_variant

END = "<|end|>"


def tokens_in(folder: Path) -> Tokens:
    return tokens_of(AutoTokenizer.from_pretrained(folder), eos_in(folder))


@pytest.fixture(params=TEMPLATES)
def tokens(request: pytest.FixtureRequest, tmp_path: Path) -> Tokens:
    return tokens_in(make_variant(tmp_path / "model", request.param))


def trained(tokens: Tokens, labels: list[int]) -> str:
    return tokens.tokenizer.decode([label for label in labels if label != IGNORED])


def test_what_is_trained_is_the_completion_and_its_end_and_nothing_behind_it(tokens: Tokens) -> None:
    encoded = tokens.encode("2 + 2", "= 4")
    assert trained(tokens, encoded.labels) == "= 4" + END
    assert encoded.end == len(encoded.ids) - 1 and tokens.tokenizer.decode(encoded.ids[encoded.end]) == END
    assert encoded.ids[: encoded.begin] == tokens.asked_as_trained("2 + 2")
    assert tokens.finished("2 + 2", "= 4") == encoded.ids
    assert tokens.has_ended(encoded.ids) and not tokens.has_ended(encoded.ids[:-1])


def test_a_turn_ends_at_the_tokenizers_the_models_and_the_templates_ends(tokens: Tokens) -> None:
    end = tokens.tokenizer.convert_tokens_to_ids(END)
    assert tokens.template_end == end and end in tokens.ends
    assert tokens.until_end([5, 6, end, 0, 0]) == [5, 6, end]
    assert tokens.until_end([5, 6]) == [5, 6] and tokens.until_end([]) == []
    assert tokens.until_end([5, *reversed(tokens.ends), 6]) == [5, tokens.ends[-1]], "the first of several"
    if tokens.tokenizer.eos_token_id != end:
        assert tokens.ends == (0, end)


def test_generated_tokens_behind_the_prompt_give_the_text_that_was_encoded(tokens: Tokens) -> None:
    encoded = tokens.encode("2 + 2", "= 4")
    assert tokens.text(encoded.ids[encoded.begin :], opened=False) == "= 4"


def test_every_turn_of_the_assistant_can_be_trained(tokens: Tokens) -> None:
    prompt = [
        {"role": "user", "content": "1 + 1"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "2 + 2"},
    ]
    last, every = tokens.encode(prompt, "four"), tokens.encode(prompt, "four", every_turn=True)
    assert trained(tokens, last.labels) == "four" + END
    assert trained(tokens, every.labels) == f"two{END}four{END}"
    assert last.ids == every.ids and len(every.spans) == 2


def test_a_cut_conversation_has_no_end_put_in_its_place(tokens: Tokens) -> None:
    encoded = tokens.encode("2 + 2", "= 4")
    cut = encoded.cut(len(encoded.ids) - 1)
    assert cut.end is None and trained(tokens, cut.labels) == "= 4"
    assert encoded.cut(len(encoded.ids)) is encoded
    nothing = encoded.cut(encoded.begin)
    assert nothing.end is None and set(nothing.labels) == {IGNORED}


def test_both_sides_of_a_pair_have_one_prompt(tokens: Tokens) -> None:
    chosen, rejected = tokens.encode_pair("2 + 2", "= 4", "= 45")
    assert chosen.begin == rejected.begin
    assert chosen.ids[: chosen.begin] == rejected.ids[: rejected.begin] == tokens.asked_as_trained("2 + 2")
    assert trained(tokens, rejected.labels) == "= 45" + END


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_mask_counts_tokens_and_not_what_differs_from_the_pad(tokens: Tokens, side: str) -> None:
    end = tokens.ends[-1]
    rows = [[5, 6, 7, end], [tokens.pad, end]]
    ids, mask = tokens.padded(rows, side)
    assert mask.sum(1).tolist() == [4, 2]
    assert ids[1][mask[1].bool()].tolist() == rows[1]
    assert bool(mask[1, -1]) is (side == "left") and ids.dtype == torch.long


def test_what_a_thinking_template_opens_is_named_and_belongs_to_the_text(tmp_path: Path) -> None:
    tokens = tokens_in(make_variant(tmp_path / "model", "thought"))
    assert (tokens.opened.text, tokens.opened.trained) == ("<think>\n", False)
    asked, as_trained = tokens.asked("2 + 2"), tokens.asked_as_trained("2 + 2")
    assert tokens.tokenizer.decode(asked[len(as_trained) :]) == "<think>\n"
    assert tokens.text(tokens.encode("", "so</think>4").ids[-2:]) == "<think>\n4"
    assert tokens.loses("2 + 2", "so</think>4") and not tokens.loses("2 + 2", "4")


@pytest.mark.parametrize("name", sorted(set(TEMPLATES) - {"thought"}))
def test_other_templates_open_nothing(tmp_path: Path, name: str) -> None:
    tokens = tokens_in(make_variant(tmp_path / "model", name))
    assert (tokens.opened.text, tokens.opened.trained) == ("", True)
    assert not tokens.loses("2 + 2", "so</think>4")


def test_a_thought_that_finished_conversations_have_too_is_trained(tmp_path: Path) -> None:
    folder = make_variant(tmp_path / "model")
    keeps = "{% if loop.last %}<think>{{ '\\n' }}</think>{% endif %}"
    text = (folder / "chat_template.jinja").read_text("utf-8")
    text = text.replace("{% generation %}", "{% generation %}" + keeps).replace(
        "<|assistant|>{% endif %}", "<|assistant|><think>{{ '\\n' }}{% endif %}"
    )
    (folder / "chat_template.jinja").write_text(text, "utf-8")
    tokens = tokens_in(folder)
    assert (tokens.opened.text, tokens.opened.trained) == ("<think>\n", True)
    assert trained(tokens, tokens.encode("1", "2").labels) == "</think>2" + END


def test_a_refusal_of_the_template_is_a_sentence(tmp_path: Path) -> None:
    tokens = tokens_in(make_variant(tmp_path / "model", "refuses"))
    with pytest.raises(ModelError) as refused:
        tokens.asked([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2"}])
    assert refused.value.key == "template_refuses"
    assert refused.value.params == {"roles": "system, user", "why": "no system role here"}


def test_without_a_template_the_prompt_begins_with_the_beginning_token(tmp_path: Path) -> None:
    folder = make_variant(tmp_path / "model")
    (folder / "chat_template.jinja").unlink()
    number = add_token(folder, "<s>")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = PLAIN_TEMPLATE
    assert tokens_of(tokenizer).asked("2 + 2") == tokenizer("2 + 2\n", add_special_tokens=False)["input_ids"]
    tokenizer.bos_token = "<s>"
    tokens = tokens_of(tokenizer)
    assert tokens.asked("2 + 2")[0] == number
    encoded = tokens.encode("2 + 2", "4")
    assert trained(tokens, encoded.labels) == "4" + END and tokens.asked("2 + 2") == encoded.ids[: encoded.begin]


def test_where_a_template_writes_no_end_the_tokenizers_is_added(tmp_path: Path) -> None:
    folder = make_variant(tmp_path / "model")
    text = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    (folder / "chat_template.jinja").write_text(text, "utf-8")
    tokens = tokens_in(folder)
    encoded = tokens.encode("2 + 2", "4")
    assert tokens.template_end is None and encoded.ids[encoded.end or 0] == tokens.tokenizer.eos_token_id
    assert trained(tokens, encoded.labels).startswith("4")


def test_no_other_module_renders_a_template() -> None:
    root = Path(lab.__file__).parent
    sources = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in root.rglob("*.py")}
    without_the_lab = ("training/eject/pieces/", "training/out/")  # texts of scripts that run where there is no lab
    sources = {name: text for name, text in sources.items() if not name.startswith(without_the_lab)}
    assert [name for name, text in sources.items() if "apply_chat_template(" in text] == ["training/models/tokens.py"]
