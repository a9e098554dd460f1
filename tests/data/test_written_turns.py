"""Conversations that a file holds as text, and texts that only look like one."""

from __future__ import annotations

import json

import pytest

from lab.data.written_turns import written_turns

CHAT = [{"role": "user", "content": 'He said "it\'s {late}".\n'}, {"role": "assistant", "content": "Yes."}]
SPOKEN = [("user", "Name a lamp."), ("assistant", "A lantern.")]


def spoken(cell: str) -> list[tuple[str, str]]:
    found = written_turns(cell)
    assert found is not None
    return [(turn["role"], turn["content"]) for turn in found[0]]


@pytest.mark.parametrize(
    ("cell", "how"),
    [
        (json.dumps(CHAT), "json"),
        (" " + json.dumps(CHAT, indent=1), "json"),
        (str(CHAT), "python"),
        (f"[{CHAT[0]}\n {CHAT[1]}]", "python"),
        (f"array([{CHAT[0]},\n       {CHAT[1]}], dtype=object)", "python"),
    ],
)
def test_printed_messages_are_messages(cell: str, how: str) -> None:
    assert written_turns(cell) == (CHAT, how)


@pytest.mark.parametrize(
    "cell",
    [
        "\n\nHuman: Name a lamp.\n\nAssistant: A lantern.",
        "Human: Name a lamp.\nAssistant: A lantern.",
        "### Human: Name a lamp.### Assistant: A lantern.",
        "### Human: Name a lamp.\n### Assistant: A lantern.",
        "<|im_start|>user\nName a lamp.<|im_end|>\n<|im_start|>assistant\nA lantern.<|im_end|>\n",
        "<|im_start|>user\nName a lamp.<|im_end|>\n<|im_start|>assistant\nA lantern.",
    ],
)
def test_transcripts(cell: str) -> None:
    assert spoken(cell) == SPOKEN


def test_an_invitation_to_answer_is_no_turn() -> None:
    assert spoken("\n\nHuman: Name a lamp.\n\nAssistant:") == SPOKEN[:1]
    assert spoken("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: ")[-1] == ("user", "c")


def test_an_empty_turn_in_the_middle_stays_to_be_refused() -> None:
    assert ("assistant", "") in spoken("\n\nHuman: a\n\nAssistant: \n\nHuman: b\n\nAssistant: c")


@pytest.mark.parametrize(
    "cell",
    [
        "", "  ", "plain", "[1, 2]", "[{", '[{"a": 1}]', "{'role': ", "Human: are you there?", "### Human rights", "[{'role': open('x')}]",
        '{"from": "Berlin"}', "Humanity: a history", "['a', 'b']",
    ],
)  # fmt: skip
def test_other_texts_stay_text(cell: str) -> None:
    assert written_turns(cell) is None


def test_a_hostile_literal_ends_at_once() -> None:
    assert written_turns("[{'role': " + "[" * 50_000) is None
    assert written_turns("[{'role': 'user', 'content': '" + "x" * 1_100_000 + "'}]") is None


@pytest.mark.parametrize(
    ("cell", "turns"),
    [
        ("### Instruction:\nName a lamp.\n\n### Response:\nA lantern.", SPOKEN),
        ("### Instruction:\nName a lamp.\n\n### Input:\nIn French.\n\n### Response:\nUne lanterne.</s>",
         [("user", "Name a lamp.\nIn French."), ("assistant", "Une lanterne.")]),
        ("Below is an instruction.\n\n### Instruction:\nName a lamp.\n\n### Response:\nA lantern.",
         [("system", "Below is an instruction."), *SPOKEN]),
        ("<s>[INST] Name a lamp. [/INST] A lantern. </s>", SPOKEN),
        ("<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nName a lamp. [/INST] A lantern. </s><s>[INST] More? [/INST] No. </s>",
         [("system", "Be brief."), *SPOKEN, ("user", "More?"), ("assistant", "No.")]),
    ],
)  # fmt: skip
def test_prompts_as_other_templates_print_them_are_messages(cell: str, turns: list[tuple[str, str]]) -> None:
    assert spoken(cell) == turns
