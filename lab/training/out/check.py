"""Loads the model in this folder with transformers and peft alone, and compares what it writes with what the lab wrote.

    python check.py            texts of the model in this folder; exit status 1 where one differs
    python check.py --gguf     the GGUF file instead, unpacked by transformers; differences are counted, since f16 and q8_0 round
    python check.py --base DIR an adapter on a base that lies in DIR, in place of the one on the Hub

``check.json`` beside it holds the questions and the lab's greedy answers (of a reward model the scores).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, GenerationConfig

FOLDER = Path(__file__).resolve().parent
CLOSE = 1e-3
"""How far a score may lie from the lab's: float32 rounding over a whole network."""


def load(kind: str, base: str):
    """The model in fp32: merged weights, or the adapter on its base."""
    auto = AutoModelForSequenceClassification if kind == "score" else AutoModelForCausalLM
    more = {"num_labels": 1} if kind == "score" else {}
    if not (FOLDER / "adapter_config.json").exists():
        return auto.from_pretrained(FOLDER, dtype=torch.float32, **more)
    from peft import PeftModel

    named = json.loads((FOLDER / "adapter_config.json").read_text("utf-8"))["base_model_name_or_path"]
    base = base or (FOLDER / named if (FOLDER / named).is_dir() else named)
    return PeftModel.from_pretrained(auto.from_pretrained(base, dtype=torch.float32, **more), FOLDER)


def load_gguf():
    """The GGUF file's model, unpacked to fp32; from a folder of its own, where no adapter is taken for it."""
    file = next(FOLDER.glob("*.gguf"))
    with tempfile.TemporaryDirectory() as alone:
        shutil.copyfile(file, Path(alone) / file.name)
        return AutoModelForCausalLM.from_pretrained(alone, gguf_file=file.name, dtype=torch.float32)


def write(model, tokenizer, prompts: list, longest: int) -> list[str]:
    """The greedy answer to each prompt, a text or messages."""
    ends = GenerationConfig.from_pretrained(FOLDER)
    texts = []
    for prompt in prompts:
        turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        asked = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        with torch.no_grad():
            output = model.generate(
                **asked,
                do_sample=False,
                max_new_tokens=longest,
                eos_token_id=ends.eos_token_id,
                pad_token_id=ends.pad_token_id,
            )
        texts.append(tokenizer.decode(output[0, asked["input_ids"].shape[1] :], skip_special_tokens=True))
    return texts


def scores(model, rows: list[list[int]]) -> list[float]:
    """The reward of each row of token ids."""
    with torch.no_grad():
        return [float(model(input_ids=torch.tensor([row])).logits[0, 0]) for row in rows]


def main() -> int:
    """Print ``{"same", "of", "found"}`` as JSON; the exit status."""
    parser = argparse.ArgumentParser(description="Compare what this folder's model writes with what the lab wrote.")
    parser.add_argument("--gguf", action="store_true")
    parser.add_argument("--base", default="", metavar="DIR")
    options = parser.parse_args()
    known = json.loads((FOLDER / "check.json").read_text("utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    model = load_gguf() if options.gguf else load(known["kind"], options.base)
    model.eval()
    if known["kind"] == "score":
        model.config.pad_token_id = tokenizer.pad_token_id
        numbers = scores(model, known["rows"])
        same = [abs(one - other) <= CLOSE for one, other in zip(numbers, known["scores"], strict=True)]
        print(json.dumps({"same": sum(same), "of": len(same), "found": numbers}))
    else:
        texts = write(model, tokenizer, known["prompts"], known["max_new_tokens"])
        same = [one == other for one, other in zip(texts, known["texts"], strict=True)]
        print(json.dumps({"same": sum(same), "of": len(same), "found": texts}, ensure_ascii=False))
    return int(not all(same) and not options.gguf)


if __name__ == "__main__":
    sys.exit(main())
