"""What is refused about a model before a weight is loaded: one sentence in both languages, with the mend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import BertConfig, BertForMaskedLM, LlamaConfig, LlamaForSequenceClassification, T5Config, T5Model

from lab.core.recipes import parse
from lab.data.datasets import Dataset
from lab.errors import InputError, LabError, ModelError, RecipeError
from lab.store.models import resolve
from lab.training.models import base
from lab.training.models.base import load, load_tokenizer, load_tokens
from lab.training.models.checks import causal_config, check_reward, check_vocabulary, context_of
from lab.training.models.length_filter import fit
from lab.words import word
from tests.training.variants import add_token, edit, make_variant

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "vocab_size": 288,
}


def refused(recipe: dict[str, Any], rows: list[dict[str, Any]], home: Path) -> LabError:
    """What a run is refused with, before a weight is read; its sentences hold no unfilled place."""
    with pytest.raises(InputError) as caught:
        fit(parse(recipe), Dataset(rows, [], ""), home)
    for language in ("en", "zh"):
        assert "{" not in word(caught.value, language).replace("…", "")
    return caught.value


ROW = {"prompt": "2 + 2", "completion": "4"}


def sft(model: Path, **more: Any) -> dict[str, Any]:
    return {"algorithm": "sft", "model": str(model), "dataset": "rows.jsonl", **more}


def with_tokenizer_of(folder: Path, model: Any, tmp_path: Path) -> Path:
    """A folder with another model's weights and the tiny base's tokenizer."""
    made = make_variant(tmp_path / "made")
    for file in ("config.json", "generation_config.json", "model.safetensors"):
        (made / file).unlink()
    model.save_pretrained(made)
    return made.rename(folder)


@pytest.mark.parametrize(
    ("model", "key", "kind"),
    [
        (lambda: BertForMaskedLM(BertConfig(**SMALL)), "model_not_causal", "BertForMaskedLM"),
        (lambda: T5Model(T5Config(d_model=16, d_ff=16, num_layers=1, num_heads=2, vocab_size=288)), "model_encoder_decoder", "T5Model"),
        (lambda: LlamaForSequenceClassification(LlamaConfig(**SMALL)), "model_not_causal", "LlamaForSequenceClassification"),
    ],
    ids=["masked", "encoder-decoder", "classifier"],
)  # fmt: skip
def test_only_causal_language_models_train(tmp_path: Path, model: Any, key: str, kind: str) -> None:
    folder = with_tokenizer_of(tmp_path / "other", model(), tmp_path)
    error = refused(sft(folder), [ROW], tmp_path)
    assert error.key == key and kind in word(error)
    with pytest.raises(ModelError) as caught:
        load(parse(sft(folder)), tmp_path)
    assert caught.value.key == key


def test_a_classifier_that_calls_itself_a_language_model_lacks_its_head(tmp_path: Path) -> None:
    classifier = LlamaForSequenceClassification(LlamaConfig(**SMALL, tie_word_embeddings=False))
    folder = with_tokenizer_of(tmp_path / "other", classifier, tmp_path)
    edit(folder / "config.json", lambda config: config | {"architectures": ["LlamaForCausalLM"]})
    with pytest.raises(ModelError) as caught:
        load(parse(sft(folder)), tmp_path)
    assert caught.value.key == "model_weights_missing" and caught.value.params["first"] == "lm_head.weight"


def test_a_reward_model_starts_from_a_reward_model_too(tmp_path: Path) -> None:
    folder = make_variant(tmp_path / "base")
    edit(folder / "config.json", lambda config: config | {"architectures": ["LlamaForSequenceClassification"]})
    assert causal_config(folder, scorer=True).model_type == "llama"
    with pytest.raises(ModelError):
        causal_config(folder)


def test_an_adapter_that_is_no_lora_is_refused(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    config = {"peft_type": "PREFIX_TUNING", "base_model_name_or_path": str(make_variant(tmp_path / "base"))}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    assert refused(sft(adapter), [ROW], tmp_path).params["kind"] == "PREFIX_TUNING"
    with pytest.raises(ModelError) as caught:
        load(parse(sft(adapter)), tmp_path)
    assert caught.value.key == "adapter_not_lora"


def test_a_pad_token_outside_the_embedding_is_refused(tmp_path: Path) -> None:
    folder = make_variant(tmp_path / "base", tokenizer_config={"pad_token": "[PAD]"})
    add_token(folder, "[PAD]")
    error = refused(sft(folder), [ROW], tmp_path)
    assert error.key == "pad_outside"
    assert error.params == {"value": "[PAD]", "id": 288, "rows": 288, "last": 287, "spare": "<|end|>"}


def test_tokens_without_a_row_are_refused_where_something_uses_them(tmp_path: Path) -> None:
    folder = make_variant(tmp_path / "base")
    add_token(folder, "<image>", special=False)
    error = refused(sft(folder), [ROW, {"prompt": "see <image>", "completion": "4"}], tmp_path)
    assert (error.key, error.params["tokens"]) == ("tokens_outside", "<image>")
    tokens = load_tokens(resolve(str(folder), tmp_path))
    assert check_vocabulary(tokens, causal_config(folder), [ROW]) == 1, "nothing uses it: told in a note"
    edit(folder / "config.json", lambda config: config | {"vocab_size": 200})
    assert refused(sft(folder), [ROW], tmp_path).key == "tokens_outside", "ordinary tokens are used by any text"


@pytest.mark.parametrize(
    ("prompt", "key", "count"),
    [
        ([("system", "Be brief."), ("user", "2 + 2")], "template_refuses_system", 2),
        ([("user", "Hello"), ("user", "2 + 2")], "template_refuses_rows", 2),
    ],
)
@pytest.mark.parametrize("algorithm", ["sft", "dpo", "grpo"])
def test_a_template_that_refuses_rows_says_how_many(
    tmp_path: Path, algorithm: str, prompt: list[tuple[str, str]], key: str, count: int
) -> None:
    folder = make_variant(tmp_path / "base", "refuses")
    turns = [{"role": role, "content": text} for role, text in prompt]
    row = {"completion": "4", "chosen": "4", "rejected": "5", "answer": "4"}
    rows = [row | {"prompt": turns}, row | {"prompt": "1 + 1"}, row | {"prompt": turns}]
    error = refused(sft(folder, algorithm=algorithm), rows, tmp_path)
    assert (error.key, error.params["count"], error.params["of"]) == (key, count, 3)
    assert ("system_in_first_turn = true" in word(error)) is (key == "template_refuses_system")


@pytest.mark.parametrize(
    ("recipe", "key"),
    [
        ({"algorithm": "sft", "max_length": 600}, "context_short_of_length"),
        ({"algorithm": "rm", "max_length": 600}, "context_short_of_length"),
        ({"algorithm": "grpo", "max_completion_length": 512}, "context_short_of_completion"),
        ({"algorithm": "ppo", "max_completion_length": 512}, "context_short_of_completion"),
    ],
)
def test_a_context_shorter_than_the_lengths_is_refused(tmp_path: Path, recipe: dict[str, Any], key: str) -> None:
    row = {"prompt": "2 + 2", "completion": "4", "chosen": "4", "rejected": "5", "answer": "4"}
    error = refused({"model": "tiny", "dataset": "rows.jsonl", **recipe}, [row], tmp_path)
    assert error.key == key and "512" in word(error) and "512" in word(error, "zh")


def test_a_context_is_known_under_the_names_that_families_give_it() -> None:
    from transformers import GPT2Config, GPTNeoXConfig

    assert context_of(GPT2Config(n_positions=77)) == 77
    assert context_of(GPTNeoXConfig(max_position_embeddings=78)) == 78


def test_a_tokenizer_model_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = make_variant(tmp_path / "base")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    (folder / "tokenizer.model").write_bytes(b"\x0a\x0enot sentencepiece")
    with pytest.raises(ModelError) as caught:
        load_tokenizer(resolve(str(folder), tmp_path))
    assert (caught.value.key, caught.value.params["file"]) == ("tokenizer_unreadable", "tokenizer.model")
    assert "tokenizer.json" in word(caught.value)


def test_nothing_is_read_of_the_weights_before_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_variant(tmp_path / "base", "refuses")
    monkeypatch.setattr(
        base.AutoModelForCausalLM, "from_pretrained", lambda *_a, **_k: pytest.fail("weights were read")
    )
    turns = [{"role": "system", "content": "x"}, {"role": "user", "content": "2 + 2"}]
    assert refused(sft(folder), [{"prompt": turns, "completion": "4"}], tmp_path).key == "template_refuses_system"


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({"algorithm": "grpo", "rules": [{"name": "equals_answer", "weight": 0}]}, True),
        ({"algorithm": "grpo", "rules": [{"name": "equals_answer", "weight": 0}, {"name": "format_tags"}]}, False),
        ({"algorithm": "grpo", "rules": [{"name": "equals_answer", "weight": -1}]}, False),
        ({"algorithm": "ppo", "reward_model": "run:rm-1", "rules_weight": 0, "reward_model_weight": 0}, True),
        ({"algorithm": "ppo", "reward_model": "run:rm-1", "rules_weight": 0}, False),
        ({"algorithm": "ppo", "rules": [{"name": "equals_answer", "weight": 0}]}, True),
        ({"algorithm": "sft"}, False),
    ],
)
def test_a_reward_whose_every_part_weighs_nothing_is_refused_before_the_start(
    values: dict[str, Any], refused: bool
) -> None:
    if not refused:
        check_reward(parse(values))
        return
    with pytest.raises(RecipeError) as caught:
        check_reward(parse(values))
    assert caught.value.key == "reward_weightless" and "0" in word(caught.value, "zh")
