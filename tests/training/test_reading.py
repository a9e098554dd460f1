"""A reward model is trained, measured, scored and read in PPO at one token: the end of the conversation, whatever template or padding."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lab.core.recipes import PpoRecipe, RmRecipe, parse
from lab.data.datasets import Dataset
from lab.data.turns import as_conversation
from lab.store.run_folder import RunFolder
from lab.training.algorithms import ppo, rm
from lab.training.models.base import load, load_scorer
from lab.training.models.roles import Roles
from lab.training.models.scorer import at_last, rows_to_score
from lab.training.task import Task
from lab.training.worker.reporter import Reporter
from tests.training.conftest import LETTERS
from tests.training.models.test_roles import randomise
from tests.training.variants import TEMPLATES, make_variant

PROMPTS = ["Solve 2x = 8", "Solve 12x + 3 = 27"]


def reward_model(model: Path, folder: Path, home: Path) -> Any:
    """A reward model on a base, its adapter moved so that its scores differ, saved as a run saves it."""
    recipe = parse({"algorithm": "rm", "model": str(model), "training": "lora", "lora_rank": 4})
    loaded = load_scorer(recipe, home)
    randomise(loaded.model, "default", 3)
    torch.manual_seed(1)
    for name, weight in loaded.model.named_parameters():
        if "score" in name:
            torch.nn.init.normal_(weight.data)
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return loaded


def smollm2(folder: Path) -> Path:
    """The real tokenizer and template of SmolLM2 on a tiny random model, where that model was fetched."""
    place = Path(os.environ.get("LAB_HOME", "lab_home")) / "models" / "smollm2-135m"
    if not (place / "tokenizer.json").is_file():
        pytest.skip("SmolLM2 is not here: python -m lab models get smollm2-135m")
    folder.mkdir()
    for path in (*place.glob("*.jinja"), *place.glob("tokenizer*")):
        shutil.copy(path, folder)
    config = LlamaConfig(
        vocab_size=49152, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        bos_token_id=1, eos_token_id=2, pad_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(params=[*TEMPLATES, "pad_is_end", "smollm2"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Any]:
    """A model folder, and a reward model on it."""
    if request.param == "smollm2":
        folder = smollm2(tmp_path / "base")
    elif request.param == "pad_is_end":
        folder = make_variant(tmp_path / "base", tokenizer_config={"pad_token": "<|end|>"})
    else:
        folder = make_variant(tmp_path / "base", request.param)
    return folder, reward_model(folder, tmp_path / "runs" / "rm-1" / "model", tmp_path)


def test_what_ppo_stores_is_what_a_score_job_gives(made: tuple[Path, Any], tmp_path: Path) -> None:
    folder, scorer = made
    recipe = PpoRecipe(
        model=str(folder), reward_model="run:rm-1", steps=1, batch_size=8, group_size=4, micro_batch_size=3,
        max_completion_length=24, lora_rank=4, measure_samples=0,
    )  # fmt: skip
    run = RunFolder(tmp_path / "runs" / "ppo-1")
    run.path.mkdir(parents=True)
    rows = [{"prompt": as_conversation(prompt), "answer": "4"} for prompt in PROMPTS for _ in range(4)]
    task = Task(recipe, run, Reporter(run, 1), Dataset(rows, [], ""), LETTERS, home=tmp_path)
    task.loaded = load(recipe, tmp_path)
    trainer = ppo.build_trainer(task)
    for longest, truncated in ((2, True), (24, False)):
        trainer.generation_config.max_new_tokens = longest
        trainer._generate_and_score_completions(rows)
        assert trainer.rollout is not None
        stored = [each for line in trainer.rollout.lines({}) for each in line["completions"]]
        ends_at_random = folder.joinpath("tokenizer.json").stat().st_size > 100_000  # SmolLM2's many tokens
        assert len(stored) == 8 and (ends_at_random or any(each["truncated"] is truncated for each in stored))
        texts = [(row["prompt"], each["text"]) for row, each in zip(rows, stored, strict=True)]
        given = rm.scores(scorer.model, scorer.tokens, texts, rows=5)
        assert [each["scores"]["reward_model"] for each in stored] == pytest.approx(given, abs=1e-4)
        assert given.std() > 1e-3, "equal scores would prove nothing"


def test_training_reads_the_token_that_scoring_reads_on_every_padding_side(made: tuple[Path, Any]) -> None:
    _, scorer = made
    tokens, texts = scorer.tokens, [(prompt, text) for prompt in PROMPTS for text in ("x = 4", "no, it is 12 and more")]
    given = rm.scores(scorer.model, tokens, texts, rows=2)
    whole = rows_to_score(tokens, texts)
    assert all(tokens.tokenizer.decode(row[-1]) in ("<|end|>", "<|im_end|>") for row in whole)
    with torch.no_grad():
        for side in ("right", "left"):
            ids, mask = tokens.padded(whole, side)
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            output = scorer.model(input_ids=ids, attention_mask=mask, position_ids=positions)
            assert output.logits.squeeze(-1).numpy() == pytest.approx(given, abs=1e-4, rel=1e-4)
    assert np.unique(given).size == len(given)


def test_the_trainers_batch_ends_at_the_end(made: tuple[Path, Any], tmp_path: Path) -> None:
    folder, scorer = made
    recipe = RmRecipe(model=str(folder), training="lora", steps=1, batch_size=2, measure_samples=0)
    run = RunFolder(tmp_path / "runs" / "rm-2")
    run.path.mkdir(parents=True)
    pairs = [{"prompt": prompt, "chosen": "x = 4", "rejected": "I do not know"} for prompt in PROMPTS]
    task = Task(recipe, run, Reporter(run, 1), Dataset(pairs, [], ""), [], home=tmp_path)
    task.loaded = scorer
    batch = next(iter(rm.build_trainer(task).get_train_dataloader()))
    end = scorer.tokens.template_end
    assert at_last(batch["input_ids"].unsqueeze(-1), batch["attention_mask"]).squeeze(-1).tolist() == [end] * 4


def test_learned_positions_count_from_the_first_token_of_a_row_padded_on_the_left(tmp_path: Path) -> None:
    folder = make_variant(tmp_path / "base")
    for file in ("model.safetensors", "config.json", "generation_config.json"):
        (folder / file).unlink()
    family("GPT2").save_pretrained(folder)
    loaded = load(PpoRecipe(model=str(folder), lora_rank=4), tmp_path)
    short, long = loaded.tokens.asked("2x = 4"), loaded.tokens.asked("Solve 12x + 3 = 27")
    ids, mask = loaded.tokens.padded([short, long], "left")
    with torch.no_grad():
        together = loaded.model(input_ids=ids, attention_mask=mask).logits[0, -1]
        alone = loaded.model(input_ids=torch.tensor([short])).logits[0, -1]
    assert torch.allclose(together, alone, atol=1e-5)


def test_a_head_reads_the_last_unmasked_place() -> None:
    states = torch.arange(12.0).reshape(2, 6, 1)
    mask = torch.tensor([[1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1]])
    assert at_last(states, mask).squeeze(-1).tolist() == [2.0, 11.0]


def family(name: str) -> Any:
    """A tiny untrained base of another architecture."""
    import transformers

    llama_like = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 48,
    }  # fmt: skip
    gpt2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128}
    neox = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    opt = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "ffn_dim": 48,
        "word_embed_proj_dim": 16,
    }
    shapes = {"GPT2": gpt2, "GPTNeoX": neox, "Qwen2": llama_like, "Granite": llama_like, "OPT": opt}
    ends = {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}
    config = getattr(transformers, f"{name}Config")(vocab_size=288, **shapes[name], **ends)
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("name", ["GPT2", "GPTNeoX", "Qwen2", "Granite", "OPT"])
def test_reward_and_value_heads_stand_on_every_architecture(tmp_path: Path, name: str) -> None:
    folder = make_variant(tmp_path / "base", "new_line")
    for file in ("model.safetensors", "config.json", "generation_config.json"):
        (folder / file).unlink()
    family(name).save_pretrained(folder)
    scorer = reward_model(folder, tmp_path / "runs" / "rm-1" / "model", tmp_path)
    policy = load(PpoRecipe(model=str(folder), lora_rank=4), tmp_path)
    roles = Roles(policy.model)
    roles.add_value()
    roles.add_reward(tmp_path / "runs" / "rm-1" / "model")
    texts = [(prompt, "x = 4") for prompt in PROMPTS]
    given = rm.scores(scorer.model, scorer.tokens, texts, rows=2)
    assert roles.scores_of(policy.tokens, texts, rows=1).numpy() == pytest.approx(given, abs=1e-4)
    ids, mask = policy.tokens.padded(rows_to_score(policy.tokens, texts), "left")
    torch.nn.init.normal_(policy.model.value_head.weight)
    values = roles.values(ids, mask, 3)
    assert values.shape == (2, 3) and len(values.unique()) == 6
