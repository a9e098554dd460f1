"""Conversations that a file holds as text with a model's chat template around them: ChatML, Llama 3, Gemma, Zephyr, Phi, DeepSeek and others.

Read as messages, they get the template of the model that is trained; as plain text they would stand within a second one.
"""

from __future__ import annotations

import re
from typing import Any

BEGIN = r"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<｜begin▁of▁sentence｜>|<BOS_TOKEN>|<\|endoftext\|>)?\s*"
"""What may stand before the first turn."""

FAMILIES = {
    "<|im_start|>": re.compile(r"<\|im_start\|>(\w+)\n(.*?)(?:<\|im_end\|>|(?=<\|im_start\|>)|$)", re.DOTALL),
    "<|start_header_id|>": re.compile(
        r"<\|start_header_id\|>(\w+)<\|end_header_id\|>(.*?)(?:<\|eot_id\|>|<\|eom_id\|>|<\|end_of_text\|>|(?=<\|start_header_id)|$)",
        re.DOTALL,
    ),
    "<start_of_turn>": re.compile(
        r"<start_of_turn>(\w+)\n(.*?)(?:<end_of_turn>|<eos>|(?=<start_of_turn>)|$)", re.DOTALL
    ),
    "<|start_of_role|>": re.compile(
        r"<\|start_of_role\|>(\w+)<\|end_of_role\|>(.*?)(?:<\|end_of_text\|>|(?=<\|start_of_role)|$)", re.DOTALL
    ),
    "<|START_OF_TURN_TOKEN|>": re.compile(
        r"<\|START_OF_TURN_TOKEN\|><\|(\w+)_TOKEN\|>(.*?)(?:<\|END_OF_TURN_TOKEN\|>|(?=<\|START_OF_TURN)|$)", re.DOTALL
    ),
    "<｜": re.compile(
        r"<｜(User|Assistant)｜>(.*?)(?:<｜end▁of▁sentence｜>|(?=<｜(?:User|Assistant)｜>)|$)", re.DOTALL
    ),
    "<|": re.compile(
        r"<\|(system|user|assistant)\|>(.*?)(?:</s>|<\|end\|>|<\|endoftext\|>|(?=<\|(?:system|user|assistant)\|>)|$)",
        re.DOTALL,
    ),
}
"""What a turn begins with, and the whole of it: who speaks, and what. The first that fits counts."""
ROLES = {"model": "assistant", "chatbot": "assistant"}
"""Speakers by their usual names; what none is, is refused where messages are checked."""

_VICUNA = re.compile(r"(A chat between .*?)?\s*USER:(?=.*ASSISTANT:)", re.DOTALL)
_VICUNA_TURN = re.compile(r"(?:^|\s)(USER|ASSISTANT):")


def templated_turns(cell: str) -> list[dict[str, Any]] | None:
    """The messages of a text that begins with a turn in a chat template; None where it does not."""
    start = re.match(BEGIN, cell)
    rest = cell[start.end() :] if start else cell
    if _VICUNA.match(rest):
        return _of_vicuna(rest)
    if rest.startswith("<"):
        for mark, turn in FAMILIES.items():
            if rest.startswith(mark) and (turns := [_message(*match) for match in turn.findall(rest)]):
                return turns
    return None


def _message(role: str, content: str) -> dict[str, Any]:
    return {"role": ROLES.get(role.lower(), role.lower()), "content": content.strip()}


def _of_vicuna(text: str) -> list[dict[str, Any]]:
    before, *pieces = _VICUNA_TURN.split(text)
    turns = [
        {"role": "user" if who == "USER" else "assistant", "content": content.replace("</s>", " ").strip()}
        for who, content in zip(pieces[::2], pieces[1::2], strict=True)
    ]
    return [{"role": "system", "content": before.strip()}, *turns] if before.strip() else turns
