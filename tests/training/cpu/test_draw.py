"""The draw of a token by one number a row: its distribution, words that cannot come, the seed, and what stays torch's."""

from __future__ import annotations

import pytest
import torch

from lab.training.cpu import draw
from lab.training.cpu.draw import drawn, numbers, one_number_a_row


@pytest.mark.parametrize("large", [7, 6], ids=["one sum", "blocks"])
def test_words_come_as_often_as_they_should(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "LARGE", large)
    monkeypatch.setattr(draw, "BLOCK", 4)
    torch.manual_seed(1)
    shares = torch.tensor([0.0, 0.5, 0.2, 0.0, 0.3, 0.0])
    words = drawn((3 * shares).expand(40_000, 6), numbers(40_000))
    counts = torch.bincount(words.squeeze(1), minlength=6) / 40_000
    assert words.shape == (40_000, 1)
    assert not counts[shares == 0].any()
    torch.testing.assert_close(counts, shares, atol=0.01, rtol=0)  # four standard deviations


@pytest.mark.parametrize("words", [4096, 49_152, 50_257])
def test_blocks_draw_the_words_of_one_sum(words: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    shares = (4 * torch.randn(64, words)).softmax(1)
    shares[:, ::3] = 0
    at = numbers(64)
    by_blocks = drawn(shares, at)
    monkeypatch.setattr(draw, "LARGE", words + 1)
    by_one_sum = drawn(shares, at)
    assert (by_blocks == by_one_sum).float().mean() > 0.95  # the others differ by rounding
    assert (shares.gather(1, by_blocks) > 0).all()


@pytest.mark.parametrize("large", [5, 4], ids=["one sum", "blocks"])
def test_ends_of_the_range_fall_on_words_that_can_come(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "LARGE", large)
    monkeypatch.setattr(draw, "BLOCK", 3)
    shares = torch.tensor([[0.0, 0.25, 0.75, 0.0]])
    for number, word in ((0.0, 1), (0.2499, 1), (0.25, 2), (1 - 2**-53, 2)):
        assert drawn(shares, torch.tensor([[number]], dtype=torch.float64)).item() == word


def test_a_seed_repeats_and_outside_of_the_block_torch_draws() -> None:
    stock, shares = torch.multinomial, torch.rand(8, 64).softmax(1)

    def draws() -> torch.Tensor:
        torch.manual_seed(4)
        return torch.multinomial(shares, num_samples=1)

    plain = draws()
    with one_number_a_row():
        ours = draws()
        assert torch.equal(ours, draws()) and not torch.equal(ours, plain)
        assert torch.multinomial(shares, 3).shape == (8, 3)
    assert torch.multinomial is stock and torch.equal(draws(), plain)


def test_probabilities_that_are_no_numbers_are_an_error_as_torch_s() -> None:
    for bad in (torch.tensor([[0.0, 0.0]]), torch.tensor([[0.5, float("nan")]])):
        with pytest.raises(RuntimeError, match="probability tensor"):
            drawn(bad, numbers(1))
