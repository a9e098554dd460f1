"""Rows are tokenised when they are first asked for, once where there is room for their ids, and a small file before the first step."""

from __future__ import annotations

import pytest

from lab.training.trainers import step_trainer
from lab.training.trainers.step_trainer import LazyRows


def test_a_row_is_encoded_once_while_there_is_room_for_its_ids() -> None:
    encoded: list[int] = []

    def encode(row: dict[str, int]) -> dict[str, list[int]]:
        encoded.append(row["n"])
        return {"input_ids": [row["n"], 70_000], "labels": [-100, row["n"]]}

    rows = LazyRows([{"n": 1}, {"n": 2}, {"n": 3}], encode, room=9)
    assert encoded == []
    first = [rows[number] for number in (0, 1, 2)]
    again = [rows[number] for number in (0, 1, 2)]
    assert first == again == [{"input_ids": [n, 70_000], "labels": [-100, n]} for n in (1, 2, 3)]
    assert encoded == [1, 2, 3, 3], "there was room for two rows of four ids"
    again[0]["input_ids"].append(5)
    assert rows[0] == first[0], "a collator may change what it gets"


@pytest.mark.parametrize(("few", "wanted", "read"), [(3, 3, 3), (3, 300, 3), (3, 2, 0), (2, 3, 0)])
def test_a_small_file_that_is_read_to_its_end_is_tokenised_at_once(
    few: int, wanted: int, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_trainer, "FEW_ROWS", few)
    encoded: list[int] = []
    rows = LazyRows(
        [{"n": 1}, {"n": 2}, {"n": 3}], lambda row: (encoded.append(row["n"]), {"input_ids": [row["n"]]})[1]
    )
    rows.read_ahead(wanted)
    assert len(encoded) == read
    assert [rows[number]["input_ids"] for number in range(3)] == [[1], [2], [3]]
    assert sorted(encoded) == [1, 2, 3]
