"""The texts of tokens: they join to the completion's text, whatever the tokenizer, and characters split over tokens stay whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from lab.training.models.tiny_llama import END
from lab.training.ppo_tokens import TokenPieces, joined

ANY_IDS = st.lists(st.integers(0, 287), max_size=40)


@given(ANY_IDS)
@settings(deadline=None, max_examples=300)
def test_whatever_is_generated_the_pieces_join_to_the_text(tokenizer, ids):
    pieces = TokenPieces(tokenizer).of(ids)
    assert pieces is not None and len(pieces) == len(ids)
    assert joined(pieces) == tokenizer.decode(ids, skip_special_tokens=True)


def test_a_character_belongs_to_the_token_that_ends_it_and_the_end_token_writes_nothing(tokenizer):
    ids = [*tokenizer.encode("x=你😀5", add_special_tokens=False), tokenizer.eos_token_id]
    assert TokenPieces(tokenizer).of(ids) == ["x", "=", "", "", "你", "", "", "", "😀", "5", {"special": END}]


def test_bytes_that_never_become_a_character_stand_where_they_were_written(tokenizer):
    cut = tokenizer.encode("a你", add_special_tokens=False)[:-1]
    assert TokenPieces(tokenizer).of(cut) == ["a", "", "\ufffd"]
    lone = tokenizer.convert_tokens_to_ids(["ÿ", "a"])
    assert TokenPieces(tokenizer).of(lone) == ["", "\ufffda"]


@pytest.fixture(scope="module")
def with_fallback():
    """A tokenizer that marks words by ▁ and falls back to bytes, as SentencePiece models do."""
    words = ["<unk>", "<s>", "</s>", *[f"<0x{byte:02X}>" for byte in range(256)], "▁", "▁the", "▁answer", "▁5", "s"]
    model = models.BPE({word: at for at, word in enumerate(words)}, [], unk_token="<unk>", byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(parts)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def test_words_keep_their_space_and_fallen_back_bytes_their_character(with_fallback):
    names = ["▁the", "▁answer", "s", "▁", "<0xE4>", "<0xBD>", "<0xA0>", "▁5", "</s>"]
    pieces = TokenPieces(with_fallback).of(with_fallback.convert_tokens_to_ids(names))
    assert pieces == ["the", " answer", "s", " ", "", "", "你", " 5", {"special": "</s>"}]
