"""A beginning that rows share, read once: the states and gradients of a plain pass, the length that is chosen, and when passes stay plain."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from lab.training.cpu import prefix as cpu_prefix
from lab.training.cpu.prefix import longest_shared
from tests.training.cpu.test_llama_step import FAMILIES, causal, model_of

ROWS = torch.tensor(
    [[0, 0, 5, 6, 7, 8], [9, 9, 9, 9, 9, 9], [0, 0, 5, 6, 7, 9], [0, 0, 5, 6, 1, 2], [9, 9, 9, 9, 4, 4]]
)


@pytest.fixture(autouse=True)
def for_small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_prefix, "LARGE", 0)
    monkeypatch.setattr(cpu_prefix, "LEAST", 1)


def pair(family: str = "llama", **more: Any) -> tuple[Any, Any]:
    """The same model as it is, and as a CPU reads."""
    plain = model_of(FAMILIES[family], **more)
    ours = copy.deepcopy(plain)
    cpu_prefix.use_on_cpu(causal(ours))
    return plain, ours


def passed(model: Any, ids: torch.Tensor, mask: torch.Tensor | None) -> list[torch.Tensor]:
    """The states, and the gradients of everything that trains."""
    model.zero_grad()
    states = causal(model).model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    there = torch.ones_like(ids) if mask is None else mask
    torch.manual_seed(2)
    (states * torch.randn(states.shape) * there.unsqueeze(2)).sum().backward()
    trained = [value.grad for value in model.parameters() if value.grad is not None]
    return [states.detach()[there.bool()], *trained]


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "no mask"])
@pytest.mark.parametrize("family", FAMILIES)
def test_states_and_gradients_are_those_of_a_plain_pass(family: str, padded: bool) -> None:
    plain, ours = pair(family)
    ids = ROWS.clone()
    mask = (ids != 0).long() if padded else None
    if mask is not None:
        mask[1, -2:] = 0  # padded on the right, as in the rows of a pair
    read: list[tuple[int, ...]] = []
    causal(ours).model.embed_tokens.register_forward_hook(
        lambda _module, given, _output: read.append(tuple(given[0].shape))
    )
    expected, found = passed(plain, ids, mask), passed(ours, ids, mask)
    assert read == [(2, 4), (5, 2)]
    assert len(found) == len(expected) > 10
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_the_length_that_saves_most_is_chosen() -> None:
    shared = longest_shared(ROWS)
    assert shared is not None
    assert shared.length == 4  # 4 places × 3 rows; 5 would save 5 × 1
    assert torch.equal(ROWS[shared.rows][shared.of_row][:, :4], ROWS[:, :4])
    same = longest_shared(ROWS[:1].repeat(3, 1))
    assert same is not None and (same.length, len(same.rows)) == (
        5,
        1,
    )  # the last place is never shared: it is the pass that goes on


@pytest.mark.parametrize("seed", range(5))
def test_it_saves_as_much_as_every_length_tried_by_hand(seed: int) -> None:
    torch.manual_seed(seed)
    rows = torch.randint(0, 2, (9, 7))
    by_hand = max(length * (9 - len({tuple(row[:length]) for row in rows.tolist()})) for length in range(1, 7))
    shared = longest_shared(rows)
    assert shared is not None and shared.length * (9 - len(shared.rows)) == by_hand


def test_padding_is_no_token_that_is_shared() -> None:
    """Rows that differ in nothing but what is padding do not share it."""
    plain, ours = pair()
    ids = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 9]])
    mask = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]])
    for one, other in zip(passed(ours, ids, mask), passed(plain, ids, mask), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "why", ["little saved", "small model", "window", "a cache is wanted", "states are wanted", "checkpointing"]
)
def test_other_passes_stay_plain(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if why == "little saved":
        monkeypatch.setattr(cpu_prefix, "LEAST", 13)
    if why == "small model":
        monkeypatch.setattr(cpu_prefix, "LARGE", 1 << 40)
    _, ours = pair()
    inner = causal(ours)
    if why == "window":
        config = copy.deepcopy(FAMILIES["mistral"])
        config.sliding_window = 4  # type: ignore[attr-defined]
        inner = model_of(config, adapter=False)
        cpu_prefix.use_on_cpu(inner)
    if why == "checkpointing":
        inner.gradient_checkpointing_enable()
        inner.train()
    read: list[int] = []
    inner.model.embed_tokens.register_forward_hook(lambda _module, given, _output: read.append(len(given[0])))
    named = {
        "use_cache": why == "a cache is wanted",
        "output_hidden_states": True if why == "states are wanted" else None,
    }
    output = inner.model(input_ids=ROWS, attention_mask=torch.ones_like(ROWS), **named)
    assert read == [len(ROWS)] and output.last_hidden_state.shape[:2] == ROWS.shape
