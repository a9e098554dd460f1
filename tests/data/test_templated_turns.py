"""Texts with a model's chat template around them are read as messages; other texts stay texts."""

from __future__ import annotations

import pytest

from lab.data.templated_turns import templated_turns
from lab.data.turns import turns

SYSTEM, QUESTION, ANSWER = "Be brief.", "2 + 2?\nThink.", "It is 4."
WRITTEN = {
    "chatml": "<|im_start|>system\n{s}<|im_end|>\n<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n{a}<|im_end|>\n",
    "llama-3": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n{s}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n{q}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n{a}<|eot_id|>",
    "gemma": "<bos><start_of_turn>system\n{s}<end_of_turn>\n<start_of_turn>user\n{q}<end_of_turn>\n<start_of_turn>model\n{a}<end_of_turn>\n",
    "zephyr": "<|system|>\n{s}</s>\n<|user|>\n{q}</s>\n<|assistant|>\n{a}</s>",
    "phi-3": "<s><|system|>\n{s}<|end|>\n<|user|>\n{q}<|end|>\n<|assistant|>\n{a}<|end|>\n<|endoftext|>",
    "granite": "<|start_of_role|>system<|end_of_role|>{s}<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>{q}<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>{a}<|end_of_text|>\n",
    "command-r": "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>{s}<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|USER_TOKEN|>{q}<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{a}<|END_OF_TURN_TOKEN|>",
    "vicuna": "A chat between {s} USER: {q} ASSISTANT: {a}</s>",
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_a_rendered_conversation_is_read_as_its_messages(name: str) -> None:
    text = WRITTEN[name].format(s=SYSTEM, q=QUESTION, a=ANSWER)
    system = f"A chat between {SYSTEM}" if name == "vicuna" else SYSTEM
    assert turns({"text": text}, "text", "user") == [
        {"role": "system", "content": system},
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": ANSWER},
    ]


def test_deepseek_and_an_invitation_to_answer() -> None:
    text = "<｜begin▁of▁sentence｜><｜User｜>2 + 2?<｜Assistant｜>4<｜end▁of▁sentence｜><｜User｜>3 + 3?<｜Assistant｜>"
    assert [(turn["role"], turn["content"]) for turn in turns({"prompt": text}, "prompt", "user")] == [
        ("user", "2 + 2?"),
        ("assistant", "4"),
        ("user", "3 + 3?"),
    ]


@pytest.mark.parametrize(
    "text", ["<b>bold</b>", "<think>so</think>4", "USER: who is this?", "<|unknown|> hi", "a <|im_start|>user\nq", "< 3", "<s>crossed out</s>"]
)  # fmt: skip
def test_other_texts_stay_texts(text: str) -> None:
    assert templated_turns(text) is None
    assert turns({"prompt": text}, "prompt", "user") == [{"role": "user", "content": text}]
