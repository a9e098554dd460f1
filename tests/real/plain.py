"""Load an adapter with transformers and peft alone, in a process that cannot see the lab: ``python -I plain.py QUESTIONS OUT KIND FOLDER``.

``policy`` writes a greedy completion for each prompt, ``base`` the same from a model without an adapter, ``reward`` a score for each
side of each preference. It proves that what a run leaves behind is plain peft, and gives the texts that accuracy is counted on.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import torch
from peft import AutoPeftModelForCausalLM, AutoPeftModelForSequenceClassification
from transformers import AutoModelForCausalLM, AutoTokenizer

BATCH = 16
MOST_TOKENS = 160


def main(questions: str, out: str, kind: str, folder: str) -> None:
    assert importlib.util.find_spec("lab") is None, "the lab can be seen from here"
    rows = json.loads(Path(questions).read_text("utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if kind == "reward":
        model = AutoPeftModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32)
        model.config.pad_token_id = tokenizer.pad_token_id
        found = [[score(model, tokenizer, row["prompt"], row[side]) for side in ("chosen", "rejected")] for row in rows]
    else:
        load = AutoModelForCausalLM if kind == "base" else AutoPeftModelForCausalLM
        model = load.from_pretrained(folder, dtype=torch.float32).eval()
        found = [
            text
            for start in range(0, len(rows), BATCH)
            for text in complete(model, tokenizer, rows[start : start + BATCH])
        ]
    Path(out).write_text(json.dumps(found), "utf-8")


def complete(model, tokenizer, rows) -> list[str]:
    chats = [[{"role": "user", "content": row["prompt"]}] for row in rows]
    inputs = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, return_dict=True, return_tensors="pt", padding=True, padding_side="left"
    )
    with torch.no_grad():
        output = model.generate(
            **inputs, do_sample=False, max_new_tokens=MOST_TOKENS, pad_token_id=tokenizer.pad_token_id
        )
    return tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def score(model, tokenizer, prompt: str, text: str) -> float:
    chat = [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}]
    inputs = tokenizer.apply_chat_template(chat, return_dict=True, return_tensors="pt")
    with torch.no_grad():
        return float(model.eval()(**inputs).logits[0, 0])


if __name__ == "__main__":
    main(*sys.argv[1:])
