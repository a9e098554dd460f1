"""Whose rows of a micro-batch are whose."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lab.training.trainers.shares import collate_share, share


@given(st.integers(0, 60), st.integers(1, 8))
def test_every_row_is_of_one_process_in_order_and_none_has_two_more_than_another(count, processes):
    rows = list(range(count))
    shares = [share(rows, rank, processes) for rank in range(processes)]
    assert [row for each in shares for row in each] == rows
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(1, 6), st.integers(1, 4), st.integers(2, 8))
def test_groups_stay_whole(groups_each, processes, size):
    rows = [group for group in range(groups_each * processes) for _ in range(size)]
    for rank in range(processes):
        own = share(rows, rank, processes)
        assert own == [group for group in range(rank * groups_each, (rank + 1) * groups_each) for _ in range(size)]


def test_one_process_collates_as_ever():
    assert collate_share(sum) is sum
