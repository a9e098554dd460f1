"""Rows laid out without padding, with a beginning that they share read once: the states and gradients of a plain pass, what is read, and when
passes stay plain."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from lab.training.cpu import attention as cpu_attention
from lab.training.cpu import flat_rows as cpu_flat_rows
from lab.training.cpu.flat_rows import PADDING, flat_rows, longest_shared
from tests.training.cpu.test_llama_step import FAMILIES, causal, model_of

ROWS = torch.tensor(
    [[0, 0, 5, 6, 7, 8], [9, 9, 9, 9, 9, 9], [0, 0, 5, 6, 7, 9], [0, 0, 5, 6, 1, 2], [9, 9, 9, 9, 4, 4]]
)
"""Where 0 is padding."""
RIGHT = torch.tensor([[5, 6, 7, 0, 0, 0], [1, 2, 3, 4, 5, 6], [4, 0, 0, 0, 0, 0]])
"""Without a beginning that rows share."""
CASES = {
    "left and right": ROWS,
    "no mask": ROWS,
    "right": RIGHT,
    "one row": RIGHT[:1],
    "the same rows": RIGHT[[0, 0, 0]],
}


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_flat_rows, "PAYS_SMALL", 1.0)


def pair(family: str = "llama", **more: Any) -> tuple[Any, Any]:
    """The same model as it is, and as a CPU reads."""
    plain = model_of(FAMILIES[family], **more)
    ours = copy.deepcopy(plain)
    cpu_flat_rows.use_on_cpu(causal(ours))
    return plain, ours


def mask_of(ids: torch.Tensor) -> torch.Tensor:
    mask = (ids != 0).long()
    if ids is ROWS:
        mask[1, -2:] = 0  # padded on the right, as in the rows of a pair
    return mask


def passed(model: Any, ids: torch.Tensor, mask: torch.Tensor | None) -> list[torch.Tensor]:
    """The states of the tokens, and the gradients of everything that trains."""
    model.zero_grad()
    states = causal(model).model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    there = torch.ones_like(ids) if mask is None else mask
    torch.manual_seed(2)
    (states * torch.randn(states.shape) * there.unsqueeze(2)).sum().backward()
    trained = [value.grad for value in model.parameters() if value.grad is not None]
    return [states.detach()[there.bool()], *trained]


def read_by(model: Any) -> list[tuple[int, ...]]:
    """The shapes of what passes are given to read, as they come."""
    read: list[tuple[int, ...]] = []
    causal(model).model.embed_tokens.register_forward_hook(
        lambda _module, given, _output: read.append(tuple(given[0].shape))
    )
    return read


@pytest.mark.parametrize("long", [False, True], ids=["short rows", "long rows"])
@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "checkpointing"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("family", FAMILIES)
def test_states_and_gradients_are_those_of_a_plain_pass(
    family: str, case: str, checkpointing: bool, long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if long:
        monkeypatch.setattr(cpu_attention, "SHORT", 1)
    plain, ours = pair(family)
    if checkpointing:
        causal(ours).gradient_checkpointing_enable({"use_reentrant": False})
        ours.train()
    read, ids = read_by(ours), CASES[case]
    mask = None if case == "no mask" else mask_of(ids)
    expected, found = passed(plain, ids, mask), passed(ours, ids, mask)
    tokens = {"left and right": 16, "no mask": 18, "right": 10, "one row": 3, "the same rows": 5}
    assert read == [(1, tokens[case])]
    assert len(found) == len(expected) > 10
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_a_copy_reads_by_its_own_weights() -> None:
    _, ours = pair()
    copied = copy.deepcopy(ours)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.mul_(0.5)
    plain, _ = pair()
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.mul_(0.5)
    for one, other in zip(passed(copied, RIGHT, mask_of(RIGHT)), passed(plain, RIGHT, mask_of(RIGHT)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_the_format_of_autocast_is_that_of_a_plain_pass() -> None:
    plain, ours = pair()
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = (
            causal(model).model(input_ids=ROWS, attention_mask=mask_of(ROWS), use_cache=False).last_hidden_state
            for model in (plain, ours)
        )
    there = mask_of(ROWS).bool()
    assert found.dtype is expected.dtype
    torch.testing.assert_close(found[there], expected[there], atol=0.05, rtol=0.05)


def test_tokens_lie_in_the_order_of_beginnings_and_rests() -> None:
    rows = flat_rows(ROWS, mask_of(ROWS))
    assert rows is not None
    beginnings, rests = rows.beginnings.tokens, rows.rests.tokens
    assert (beginnings, rests, rows.spare) == (4, 12, 0)
    assert sorted(rows.ids[0, :4].tolist()) == [5, 6, 9, 9]
    assert rows.ids[0, 4:].tolist() == [7, 8, 9, 9, 7, 9, 1, 2, 9, 9, 4, 4]
    there = mask_of(ROWS).bool()
    assert torch.equal(rows.ids[0][rows.place][there], ROWS[there])
    from_first = (mask_of(ROWS).cumsum(1) - 1)[there]
    assert torch.equal(rows.positions[0][rows.place][there], from_first)


def test_the_length_that_saves_most_is_chosen() -> None:
    length, kinds, of_row = longest_shared(ROWS)
    assert length == 4  # 4 tokens × 3 rows; 5 would save 5 × 1
    assert torch.equal(ROWS[kinds][of_row][:, :4], ROWS[:, :4])
    length, kinds, _ = longest_shared(ROWS[:1].repeat(3, 1))
    assert (length, len(kinds)) == (5, 1), "the last place is never shared: rests are not empty"


@pytest.mark.parametrize("seed", range(5))
def test_it_saves_as_much_as_every_length_tried_by_hand(seed: int) -> None:
    torch.manual_seed(seed)
    rows = torch.randint(0, 2, (9, 7))
    rows[torch.arange(7) >= torch.randint(1, 8, (9, 1))] = PADDING

    def tokens_of(parts: set[tuple[int, ...]]) -> int:
        return sum(id_ != PADDING for part in parts for id_ in part)

    every = [tuple(row) for row in rows.tolist()]
    of_all = sum(tokens_of({row}) for row in every)
    by_hand = max(
        sum(tokens_of({row[:length]}) for row in every) - tokens_of({row[:length] for row in every})
        for length in range(1, 7)
    )
    length, kinds, _ = longest_shared(rows)
    read = int((rows[kinds, :length] != PADDING).sum() + (rows[:, length:] != PADDING).sum())
    assert of_all - read == by_hand


@pytest.mark.parametrize("tokens", [5, 63, 64, 1000, 1025, 5000])
def test_few_numbers_of_tokens_occur_and_little_is_read_for_nothing(tokens: int) -> None:
    rows = flat_rows(torch.arange(tokens).unsqueeze(0), None, at_most=2.0)
    assert rows is not None and rows.ids.size(1) == tokens + rows.spare
    assert rows.spare <= tokens / 16
    assert rows.ids.size(1) % (1 << max(0, tokens.bit_length() - 5)) == 0


def test_padding_is_no_token_that_is_shared() -> None:
    """Rows that differ in nothing but what is padding do not share it."""
    plain, ours = pair()
    ids = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 9]])
    mask = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]])
    for one, other in zip(passed(ours, ids, mask), passed(plain, ids, mask), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "why",
    ["little saved", "a hole", "window", "dropout", "a cache is wanted", "states are wanted", "another attention"],
)
def test_other_passes_stay_plain(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if why == "little saved":
        monkeypatch.setattr(cpu_flat_rows, "PAYS_SMALL", 0.5)
    _, ours = pair()
    inner, mask = causal(ours), torch.ones_like(ROWS)
    if why == "a hole":
        mask[0, 3] = 0
    if why == "window":
        config = copy.deepcopy(FAMILIES["mistral"])
        config.sliding_window = 4  # type: ignore[attr-defined]
        inner = model_of(config, adapter=False)
    if why == "another attention":
        inner = model_of(copy.deepcopy(FAMILIES["llama"]), adapter=False)
        inner.set_attn_implementation("eager")
    if why == "dropout":
        inner = model_of(copy.deepcopy(FAMILIES["llama"]), adapter=False)
        inner.config.attention_dropout = 0.1
        inner.train()
    cpu_flat_rows.use_on_cpu(inner)
    read = read_by(inner)
    named = {
        "use_cache": why == "a cache is wanted",
        "output_hidden_states": True if why == "states are wanted" else None,
    }
    output = inner.model(input_ids=ROWS, attention_mask=mask, **named)
    assert read == [ROWS.shape] and output.last_hidden_state.shape[:2] == ROWS.shape
