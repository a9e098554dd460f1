import torch

from lab.core.budget import MemoryPart
from lab.training.measure.ledger import Ledger


def test_the_peak_is_the_moment_when_most_was_alive():
    with Ledger() as ledger:
        first = torch.empty(1000, device="meta")
        second = first + 1
        del second
        third = first.view(10, 100)  # the same storage: nothing new
    assert ledger.peak == 2 * 4000
    assert ledger.total == 4000
    del first
    assert ledger.total == 4000
    del third
    assert ledger.total == 0


def test_parts_are_told_apart():
    ledger = Ledger(vocabulary=500)
    weight = torch.empty(500, 20, device="meta")
    ledger.hold([weight, weight], MemoryPart.WEIGHTS)
    with ledger, ledger.noting(MemoryPart.CACHE):
        kept = torch.empty(100, device="meta")
    with ledger:
        states = torch.empty(10, 20, device="meta")
        logits = states @ weight.t()
    assert ledger.live == {
        MemoryPart.WEIGHTS: 40_000,
        MemoryPart.CACHE: 400,
        MemoryPart.ACTIVATIONS: 800,
        MemoryPart.LOGITS: 20_000,
    }
    ledger.hold([kept], MemoryPart.ROLES)
    assert ledger.live[MemoryPart.CACHE] == 0 and ledger.live[MemoryPart.ROLES] == 400
    assert logits.shape == (10, 500)


def test_meta_counts_what_the_cpu_holds():
    def work(device: str) -> int:
        layers = torch.nn.Sequential(*(torch.nn.Linear(64, 64) for _ in range(4)), torch.nn.GELU()).to(device)
        ledger = Ledger()
        ledger.hold(layers.parameters(), MemoryPart.WEIGHTS)
        with ledger:
            layers(torch.ones(32, 64, device=device)).square().mean().backward()
        return ledger.peak

    assert work("meta") == work("cpu") > 0
