"""Rows as pairs: both forms, what other tools call the columns, and every row that is left out with its line and reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.core.notes import note
from lab.core.preferences import LONGEST_TEXT, Choice, Message, Response, make_pair
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.pair_rows import Known, find_pairs, rows_in_memory
from lab.data.recognition import Form
from lab.data.rows import read_rows
from lab.errors import DatasetError

ROW = {"prompt": "2 + 2", "first": "4", "second": "5"}


def test_two_responses_with_their_sources() -> None:
    found = find_pairs(rows_in_memory([ROW | {"first_source": "run:a", "second_source": "run:b", "gold": "first"}]))
    ((line, pair),) = found.pairs
    assert (found.form, line, found.left_out) == (Form.PAIRS, 1, [])
    four = Response(text="4", source="run:a")
    assert pair == make_pair("2 + 2", four, Response(text="5", source="run:b"), four)
    assert pair.gold is not None and pair.response(pair.gold) == four


@pytest.mark.parametrize(
    "names", [("response_a", "response_b", "model_a", "model_b"), ("answer_a", "answer_b", "source_a", "source_b")]
)
def test_columns_of_other_tools(names: tuple[str, ...]) -> None:
    row = {"prompt": "2 + 2", **dict(zip(names, ("4", "5", "one", "other"), strict=True))}
    ((_, pair),) = find_pairs(rows_in_memory([row])).pairs
    assert {(pair.first.text, pair.first.source), (pair.second.text, pair.second.source)} == {
        ("4", "one"),
        ("5", "other"),
    }


def test_a_mapping_of_columns() -> None:
    row = {"question_text": "2 + 2", "ja": "4", "nein": "5"}
    columns = {"prompt": "question_text", "chosen": "ja", "rejected": "nein"}
    ((_, pair),) = find_pairs(rows_in_memory([row]), columns=columns, known=Known.GOLD).pairs
    assert pair.prompt == "2 + 2" and pair.gold is not None and pair.response(pair.gold).text == "4"


def test_preferences_are_just_two_responses_or_gold(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {"prompt": "2 + 2", "chosen": "4", "rejected": "5", "source_chosen": "gpt"},
        {"prompt": "x", "chosen": "a", "rejected": "b"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    plain = [pair for _, pair in find_pairs(read_rows(path)).pairs]
    assert all(pair.gold is None for pair in plain)
    assert {one.source for one in (plain[0].first, plain[0].second)} == {"gpt", "rejected"}
    gold = [pair for _, pair in find_pairs(read_rows(path), known=Known.GOLD).pairs]
    assert [pair.response(pair.gold).text for pair in gold if pair.gold] == ["4", "a"]
    assert [pair.id for pair in gold] == [pair.id for pair in plain]


def test_first_is_not_always_the_chosen_one() -> None:
    rows = rows_in_memory({"prompt": f"{n} + 1", "chosen": f"{n + 1}", "rejected": f"{n}"} for n in range(64))
    gold = [pair.gold for _, pair in find_pairs(rows, known=Known.GOLD).pairs]
    assert 16 < gold.count(Choice.FIRST) < 48


def test_a_conversation_stays_messages() -> None:
    prompt = [{"from": "system", "value": "Be short."}, {"from": "human", "value": "2 + 2"}]
    ((_, pair),) = find_pairs(rows_in_memory([{"conversations": prompt, "chosen": "4", "rejected": "5"}])).pairs
    assert pair.prompt == (Message(role="system", content="Be short."), Message(role="user", content="2 + 2"))


def test_what_is_left_out_and_why() -> None:
    rows: list[dict[str, Any]] = [
        ROW,
        {"prompt": "2 + 2", "first": "5", "second": "4"},
        {"prompt": "", "first": "4", "second": "5"},
        {"prompt": "3 + 3", "first": "6", "second": " 6\n"},
        {"prompt": "3 + 3", "first": "6", "second": None},
        {"prompt": "3 + 3", "first": "6", "second": "7", "gold": "the left one"},
        {"prompt": "3 + 3", "first": "6", "second": "x" * (LONGEST_TEXT + 1)},
        {"prompt": "<script>alert(1)</script>", "first": "<b>6</b>", "second": "{{7}}"},
    ]
    found = find_pairs(rows_in_memory(rows))
    assert [line for line, _ in found.pairs] == [1, 8]
    assert found.pairs[1][1].prompt == "<script>alert(1)</script>"  # text, whatever it looks like
    assert found.left_out == [
        LeftOut(2, WhyLeftOut.SAME_PAIR, "1"),
        LeftOut(3, WhyLeftOut.EMPTY, "prompt"),
        LeftOut(4, WhyLeftOut.EQUAL_SIDES),
        LeftOut(5, WhyLeftOut.MISSING, "second"),
        LeftOut(6, WhyLeftOut.NO_CHOICE, "the left one"),
        LeftOut(7, WhyLeftOut.TOO_LONG, "second"),
    ]


def test_an_id_belongs_to_one_pair() -> None:
    rows = [
        ROW | {"id": 7},
        {"prompt": "3 + 3", "first": "6", "second": "5", "id": 7},
        {"prompt": "1", "first": "6", "second": "5"},
    ]
    found = find_pairs(rows_in_memory(rows))
    assert [line for line, _ in found.pairs] == [1, 3]
    assert found.left_out == [LeftOut(2, WhyLeftOut.ID_TWICE, "7")]


def test_gbk_is_read_and_said(tmp_path: Path) -> None:
    path = tmp_path / "对.csv"
    path.write_bytes("prompt,first,second\n二加二,四,五\n".encode("gbk"))
    found = find_pairs(read_rows(path))
    ((_, pair),) = found.pairs
    assert (pair.prompt, {pair.first.text, pair.second.text}) == ("二加二", {"四", "五"})
    assert found.notes == (note("encoding", encoding="GB18030"),)


def test_no_rows_and_no_form() -> None:
    with pytest.raises(DatasetError) as caught:
        rows_in_memory([])
    assert caught.value.key == "pairs_none_typed"
    with pytest.raises(DatasetError) as caught:
        find_pairs(rows_in_memory([{"text": "a"}]))
    assert caught.value.key == "dataset_form"
    with pytest.raises(DatasetError) as caught:
        find_pairs(rows_in_memory([{"prompt": "a", "completion": "b"}]))
    assert caught.value.key == "dataset_holds_demonstrations"
