"""The model card, ``README.md``: what the model is, how it was trained and measured, its licence, and how to load it.

Every number in it is from the run's own files. In English, as the Hub's cards are; the configuration at its head is the Hub's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from lab.core.algorithms import Head, algorithm_of
from lab.core.recipes import Recipe
from lab.training.out.base_of import BESIDE, Base

TITLES = {
    "pretrain": "pretrained from scratch",
    "sft": "supervised fine-tuning (SFT)",
    "rm": "a reward model (Bradley–Terry)",
    "ppo": "PPO",
    "dpo": "DPO",
    "grpo": "GRPO",
}
NOT_A_RESULT = ("samples", "pairs", "agreement_pairs")
"""Counts that stand beside a figure."""


@dataclass(frozen=True)
class Written:
    """What was written, as the card tells it."""

    adapter: bool
    gguf: str
    """The file's name; empty where there is none."""
    four_bits: bool
    """Whether the run had its base in 4 bits."""
    checked: str
    """One sentence of what the loading check came to."""


def card(
    name: str,
    recipe: Recipe,
    stored: Mapping[str, Any],
    result: Mapping[str, Any],
    base: Base,
    root: Base,
    made: Written,
) -> str:
    """The text of the card. ``stored`` is recipe.json, ``result`` is result.json; ``root`` is the base that all began with."""
    parts = [
        _head(recipe, root, made),
        f"# {name}\n",
        _about(recipe, base, root, made),
        _results(result),
        "## Curves\n\n![Training curves](curves.svg)\n\nEach logged step stands in `metrics.jsonl`.\n",
        _training(recipe, stored, result),
        _loading(recipe, base, made),
        f"## Check\n\n{made.checked} `python check.py` does it again; it needs torch, transformers and peft.\n",
        _licence(root),
    ]
    return "\n".join(part for part in parts if part)


def without_paths(values: Any) -> Any:
    """The same values with a file of this machine called by its name alone."""
    if isinstance(values, Mapping):
        return {key: without_paths(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [without_paths(value) for value in values]
    if isinstance(values, str) and (values.startswith(("/", "~")) or (len(values) > 2 and values[1:3] == ":\\")):
        return PurePath(values.replace("\\", "/")).name
    return values


def _head(recipe: Recipe, base: Base, made: Written) -> str:
    kind = "text-classification" if algorithm_of(recipe).head is Head.SCORE else "text-generation"
    lines = [f"pipeline_tag: {kind}", f"library_name: {'peft' if made.adapter else 'transformers'}"]
    if "/" in base.name:
        lines.append(f"base_model: {base.name}")
        lines.append(f"base_model_relation: {'adapter' if made.adapter else 'finetune'}")
    if base.licence and base.licence != "other":
        lines.append(f"license: {base.licence.lower()}")
    tags = [recipe.algorithm, "alignment-lab", *(["gguf"] if made.gguf else []), *(["lora"] if made.adapter else [])]
    return "\n".join(["---", *lines, "tags:", *(f"- {tag}" for tag in tags), "---\n"])


def _about(recipe: Recipe, base: Base, root: Base, made: Written) -> str:
    form = "A LoRA adapter" if made.adapter else "A model with all its weights, in fp32"
    four = " The run had its base in 4 bits (NF4, double quantisation)." if made.four_bits else ""
    if four and not made.adapter:
        four += " The adapter was merged into the full-precision base; in 4 bits its answers differ a little."
    copied = f" The base is in the folder `{BESIDE}`." if made.adapter and not base.hub else ""
    return f"{form}, made by {TITLES.get(recipe.algorithm, recipe.algorithm)} from {root.origin}.{four}{copied}\n"


def _results(result: Mapping[str, Any]) -> str:
    before, after = result.get("before") or {}, result.get("after") or {}
    names = [name for name in after if name not in NOT_A_RESULT and isinstance(after[name], int | float)]
    if not names:
        return "## Results\n\nNothing was measured on held-out data.\n"
    rows = "".join(
        f"| {name} | {_number(before.get(name))} | {_number(after[name])} | {_count(name, before, after)} |\n"
        for name in names
    )
    moved = result.get("kl_from_start")
    moved_line = f"\nKL from the start: {_number(moved)} nats a completion.\n" if moved is not None else ""
    return f"## Results\n\nOn held-out data, before and after training.\n\n| | before | after | n |\n|---|---|---|---|\n{rows}{moved_line}"


def _count(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """How many samples a figure is of."""
    count = "agreement_pairs" if name == "agreement" else "samples" if "samples" in after else "pairs"
    counts = [measured.get(count) for measured in (before, after) if measured.get(count) is not None]
    return " / ".join(str(each) for each in dict.fromkeys(counts)) or "–"


def _number(value: Any) -> str:
    """As in result.json, to the last digit."""
    return "–" if value is None else json.dumps(value)


def _training(recipe: Recipe, stored: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in (stored.get("versions") or {}).items())
    settings = json.dumps(without_paths(recipe.model_dump(mode="json")), ensure_ascii=False, indent=2)
    return (
        "## Training\n\n"
        f"- data: `{without_paths(recipe.dataset)}`, content hash `{stored.get('dataset_hash') or 'not recorded'}`\n"
        f"- steps taken: {result.get('steps', '–')} in {result.get('seconds', 0):.0f} s; "
        f"{result.get('tokens_trained', 0):,} tokens trained, {result.get('tokens_generated', 0):,} generated\n"
        f"- peak memory: {result.get('peak_memory_bytes') or 0:,} bytes\n"
        f"- versions: {versions or 'not recorded'}\n\n"
        f"<details><summary>The recipe</summary>\n\n```json\n{settings}\n```\n\n</details>\n"
    )


def _licence(base: Base) -> str:
    if base.from_scratch:
        return "## Licence\n\nTrained from random weights: no base's licence binds it.\n"
    if base.licence:
        return f"## Licence\n\nOf the base: {base.licence}. It binds this model too.\n"
    return "## Licence\n\nThe licence of the base is not known here. Look it up before you pass this model on.\n"


def _loading(recipe: Recipe, base: Base, made: Written) -> str:
    if algorithm_of(recipe).head is Head.SCORE:
        return _LOADING_SCORE_ADAPTER.format(base=_place(base)) if made.adapter else _LOADING_SCORE
    plain = _LOADING_ADAPTER.format(base=_place(base)) if made.adapter else _LOADING
    four = _LOADING_FOUR_BITS if made.adapter and made.four_bits else ""
    served = base.hub or f"./{BESIDE}"
    vllm = (
        f"vllm serve {served} --enable-lora --lora-modules tuned=. --max-lora-rank {getattr(recipe, 'lora_rank', 16)}"
        if made.adapter
        else "vllm serve ."
    )
    ollama = "ollama create tuned -f Modelfile && ollama run tuned"
    if made.gguf:
        ollama += f"\n# or llama.cpp itself: llama-cli -m {made.gguf} --jinja"
    return f"{plain}{four}\nvLLM and Ollama, from within this folder:\n\n```bash\n{vllm}\n{ollama}\n```\n"


def _place(base: Base) -> str:
    return f'"{base.hub}"' if base.hub else f'folder / "{BESIDE}"'


_LOADING = """## How to load it

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # this folder, or its name on the Hub
model = AutoModelForCausalLM.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
turns = [{"role": "user", "content": "Solve 3x + 5 = 20"}]
asked = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
print(tokenizer.decode(model.generate(**asked, max_new_tokens=64)[0], skip_special_tokens=True))
```
"""

_LOADING_ADAPTER = """## How to load it

```python
from pathlib import Path
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

folder = Path(".")  # this folder
base = AutoModelForCausalLM.from_pretrained({base}, dtype="float32")
model = PeftModel.from_pretrained(base, folder)
model.generation_config = GenerationConfig.from_pretrained(folder)  # every token that ends an answer
tokenizer = AutoTokenizer.from_pretrained(folder)
turns = [{{"role": "user", "content": "Solve 3x + 5 = 20"}}]
asked = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
print(tokenizer.decode(model.generate(**asked, max_new_tokens=64)[0], skip_special_tokens=True))
```
"""

_LOADING_FOUR_BITS = """
As the run had its base, in 4 bits (this needs bitsandbytes), in place of the line with `base =`:

```python
from transformers import BitsAndBytesConfig

bits = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
base = AutoModelForCausalLM.from_pretrained(…, quantization_config=bits)
```
"""

_LOADING_SCORE = """## How to load it

```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folder = "."  # this folder, or its name on the Hub
model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
tokenizer = AutoTokenizer.from_pretrained(folder)
```

The reward is `logits[0, 0]` of a conversation up to and with the end token of the answer.
"""

_LOADING_SCORE_ADAPTER = """## How to load it

```python
from pathlib import Path
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folder = Path(".")  # this folder
base = AutoModelForSequenceClassification.from_pretrained({base}, num_labels=1, dtype="float32")
model = PeftModel.from_pretrained(base, folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
```

The reward is `logits[0, 0]` of a conversation up to and with the end token of the answer.
"""
