"""Messages of every kind of file, and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.turns import is_untrained, number_of, returned_by_tools, text, turns


def read(value: Any, speaker: str = "user") -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in turns({"prompt": value}, "prompt", speaker)]


@pytest.mark.parametrize(
    ("cell", "written", "number"),
    [
        ("5", "5", 5.0),
        (5, "5", 5.0),
        (2.5, "2.5", 2.5),
        (0, "0", 0.0),
        (True, "", None),
        (float("nan"), "", None),
        (None, "", None),
        ([5], "", None),
        ("five", "five", None),
        ("\ud800", "?", None),
    ],
)
def test_a_cell_as_text_and_as_a_number(cell: Any, written: str, number: float | None) -> None:
    assert (text(cell), number_of(cell)) == (written, number)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ([{"role": "developer", "content": "Short."}, {"role": "user", "content": "Tea?"}], [("system", "Short."), ("user", "Tea?")]),
        ([{"from": "human", "value": "Tea?"}, {"from": "gpt", "value": "Yes."}], [("user", "Tea?"), ("assistant", "Yes.")]),
        ([{"role": "USER", "content": "Tea?"}], [("user", "Tea?")]),
        ({"role": "user", "content": "Tea?"}, [("user", "Tea?")]),
        ([{"role": "user", "content": [{"type": "text", "text": "Tea"}, {"type": "text", "text": "?"}]}], [("user", "Tea?")]),
        ([{"role": "user", "content": ["Tea", "?"]}], [("user", "Tea?")]),
        ([{"type": "text", "text": "Tea?"}], [("user", "Tea?")]),
        ([{"human": "Tea?", "assistant": "Yes."}], [("user", "Tea?"), ("assistant", "Yes.")]),
        ([{"from": "system", "value": " "}, {"from": "human", "value": "Tea?"}], [("user", "Tea?")]),
        (
            [{"role": "user", "content": "Weigh it."}, {"role": "function_call", "content": "weigh()"}, {"role": "observation", "content": "3 g"}],
            [("user", "Weigh it."), ("assistant", "weigh()"), ("user", "3 g")],
        ),
        (
            [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "4", "reasoning_content": "Count."}],
            [("user", "2 + 2"), ("assistant", "<think>\nCount.\n</think>\n\n4")],
        ),
    ],
)  # fmt: skip
def test_who_says_what(value: Any, wanted: list[tuple[str, str]]) -> None:
    assert read(value) == wanted


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a.png"}}]}], WhyLeftOut.IMAGES),
        ([{"role": "user", "content": [{"type": "text", "text": "Hm"}, {"type": "input_audio", "data": "x"}]}], WhyLeftOut.IMAGES),
        ([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}], WhyLeftOut.TOOLS),
        ([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "x", "function_call": {"name": "f"}}], WhyLeftOut.TOOLS),
        ([{"role": "tool", "content": "3 g"}], WhyLeftOut.TOOLS),
        ([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": ""}, {"role": "user", "content": "?"}], WhyLeftOut.EMPTY),
        ([{"role": "narrator", "content": "Once"}], WhyLeftOut.NOT_TEXT),
        ([{"role": "user", "content": {"a": 1}}], WhyLeftOut.NOT_TEXT),
        ([], WhyLeftOut.EMPTY),
        ([5], WhyLeftOut.NOT_TEXT),
    ],
)  # fmt: skip
def test_a_turn_is_never_dropped(value: Any, why: WhyLeftOut) -> None:
    with pytest.raises(NotUsable) as caught:
        read(value)
    assert caught.value.why is why


@pytest.mark.parametrize(
    ("message", "untrained"),
    [({"weight": 0}, True), ({"train": False}, True), ({"weight": 1}, False), ({"weight": None}, False), ({}, False)],
)
def test_a_message_may_say_that_it_is_not_to_be_trained(message: dict[str, Any], untrained: bool) -> None:
    assert is_untrained({"role": "assistant", "content": "x"} | message) is untrained


def test_what_a_tool_returned_is_noticed() -> None:
    assert returned_by_tools([{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}])
    assert not returned_by_tools([{"role": "user", "content": "tool"}]) and not returned_by_tools("tool")


@pytest.mark.parametrize(
    "value",
    [
        [{"input": "Tea?", "output": "Yes."}, {"input": "Jam?", "output": "No."}],
        [{"prompt": "Tea?", "response": "Yes."}, {"question": "Jam?", "answer": "No."}],
        [{"role": None, "from": "human", "value": "Tea?", "content": None}, {"role": "assistant", "content": "Yes.", "from": None},
         {"from": "human", "value": "Jam?"}, {"from": "gpt", "value": "No."}],
    ],
)  # fmt: skip
def test_exchanges_and_messages_of_two_forms_in_one_table(value: Any) -> None:
    assert read(value) == [("user", "Tea?"), ("assistant", "Yes."), ("user", "Jam?"), ("assistant", "No.")]


@pytest.mark.parametrize("cell", [["Tea?", "Yes.", "Jam?"], '["Tea?", "Yes.", "Jam?"]'])
def test_a_list_of_texts_is_a_conversation_only_where_messages_stand(cell: Any) -> None:
    spoken = [(turn["role"], turn["content"]) for turn in turns({"messages": cell}, "messages", "user")]
    assert spoken == [("user", "Tea?"), ("assistant", "Yes."), ("user", "Jam?")]
    if isinstance(cell, str):
        assert read(cell) == [("user", cell)]
        return
    with pytest.raises(NotUsable):
        read(cell)
