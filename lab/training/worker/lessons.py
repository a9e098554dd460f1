"""Answers the questions of the Learn tab with the shipped tiny model, for as long as they come: one line of JSON in, one line out.

The losses are the trainers' own (``losses.py``); what a group makes of its rewards is the core's (``lab/core/groups.py``). Departures from
a run, all for the sake of one screen:

1. A completion counts as one action: ρ = π(y|x) / π_old(y|x) of the whole answer, as the course writes it. A run takes one ratio a token.
2. Each question begins from the shipped model, with a fresh LoRA adapter. Nothing is saved, and no run sees it.

Not here: who may ask and for how long the process lives (``lab/runs/lessons.py``).
"""

from __future__ import annotations

import copy
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM

from lab.core.groups import Estimator, make_group
from lab.core.jobs import Asked, SampleSpec
from lab.core.lessons import EPSILON, LEARNING_RATE, Logps, Prefer, Question, Step, Warm, Write, parse_question
from lab.core.recipes import Device
from lab.errors import LabError
from lab.tasks.equations import Split, Style, demonstrations
from lab.training.algorithms import losses
from lab.training.models.tokens import Encoded, Tokens
from lab.training.trainers.token_texts import TokenPieces
from lab.training.worker.speaker import Speaker, load_speaker

LORA = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
SFT_STEPS, SFT_ROWS, SFT_RATE = 60, 32, 1e-3
"""The fine-tuning of step 2: every demonstration is right and writes its steps, so that what it teaches can be seen."""
LONGEST_COMPLETION = 24
DPO_RATE = 5e-4


class Tutor:
    """The tiny model, loaded once, and what is made of it."""

    def __init__(self, home: Path) -> None:
        self.speaker = load_speaker(SampleSpec(prompts=(Asked(prompt="?"),), device=Device.CPU), home)
        self.pieces = TokenPieces(self.speaker.tokens.tokenizer)
        self._writers: dict[str, Any] = {"pretrained": self.speaker.model}
        self._sft_seconds = 0.0

    def answer(self, question: Question) -> dict[str, Any]:
        """The answer to any question."""
        match question:
            case Step():
                return self.step(question)
            case Logps():
                return self.logps(question)
            case Prefer():
                return self.prefer(question)
            case Write():
                return self.write(question)
            case Warm():
                return {}

    # ---- log-probabilities

    def logps(self, question: Logps) -> dict[str, Any]:
        """``{"logps": [log π(y|x)…], "tokens": [[[text, log π(token)]…]…]}``."""
        with torch.no_grad():
            logps_B_T, mask_B_T, ids = self._token_logps(self.speaker.model, question.prompt, question.answers)
        tokens = []
        for row, (row_ids, begin) in enumerate(ids):
            texts = self.pieces.of(row_ids[begin:]) or [""] * (len(row_ids) - begin)
            shown = [text if isinstance(text, str) else text["special"] for text in texts]
            tokens.append([[text, float(logps_B_T[row, begin - 1 + at])] for at, text in enumerate(shown)])
        return {"logps": (logps_B_T * mask_B_T).sum(1).tolist(), "tokens": tokens}

    def _token_logps(
        self, model: Any, prompt: str, answers: Sequence[str]
    ) -> tuple[Tensor, Tensor, list[tuple[list[int], int]]]:
        """log π of every trained token, shape (B, T), its mask, and each row's ids with the place where its answer begins."""
        tokens = self.speaker.tokens
        rows = [tokens.encode(prompt, answer) for answer in answers]
        logps_B_T, labels_B_T = _logps_of(model, tokens, rows)
        trained_B_T = torch.roll(labels_B_T != losses.IGNORED, -1, dims=1).float()
        return logps_B_T, trained_B_T, [(row.ids, row.begin) for row in rows]

    def _sums(self, model: Any, prompt: str, answers: Sequence[str]) -> Tensor:
        """log π(y|x) of each answer, shape (B,)."""
        logps_B_T, mask_B_T, _ = self._token_logps(model, prompt, answers)
        return (logps_B_T * mask_B_T).sum(1)

    def _copy(self) -> Any:
        """A copy of the model with an adapter that trains."""
        torch.manual_seed(1)
        return get_peft_model(copy.deepcopy(self.speaker.model), LORA).train()

    # ---- steps

    def step(self, question: Step) -> dict[str, Any]:
        """``{"before", "after", "losses": [L before, L after], "advantages", "kept", "mean", "std", "seconds"}``; where nothing is kept
        there is no step, and ``losses`` is null."""
        started = time.perf_counter()
        estimator = Estimator.GROUP_SCALED if question.scaled else Estimator.UNSCALED
        group = make_group(question.rewards, question.threshold, question.fraction, estimator=estimator)
        kept = [place for place, is_kept in enumerate(group.kept) if is_kept]
        model = self._copy()
        with torch.no_grad():
            before = self._sums(model, question.prompt, question.answers)
        told = {"advantages": group.advantages, "kept": group.kept, "mean": group.mean, "std": group.std}
        after, lost = before, None
        if kept:
            optimizer = _optimizer(model, LEARNING_RATE)
            answers = [question.answers[place] for place in kept]
            advantages_B = torch.tensor([group.advantages[place] for place in kept])
            old_B = before[kept].cpu()
            for _ in range(question.steps):
                loss = group_loss(self._sums(model, question.prompt, answers).cpu(), old_B, advantages_B)
                _descend(optimizer, loss)
            with torch.no_grad():
                after = self._sums(model, question.prompt, question.answers)
            ends = (old_B, after[kept].cpu())
            lost = [float(group_loss(logps_B, old_B, advantages_B)) for logps_B in ends]
        seconds = time.perf_counter() - started
        return {**told, "before": before.tolist(), "after": after.tolist(), "losses": lost, "seconds": seconds}

    def prefer(self, question: Prefer) -> dict[str, Any]:
        """``{"chosen", "rejected", "ref_chosen", "ref_rejected", "losses": [before, after], "seconds"}``: log π after the steps, log π_ref."""
        started = time.perf_counter()
        model, pair = self._copy(), (question.chosen, question.rejected)
        with torch.no_grad():
            reference = self._sums(model, question.prompt, pair)
        optimizer = _optimizer(model, DPO_RATE)
        lost = []
        for number in range(question.steps + 1):
            logps = self._sums(model, question.prompt, pair)
            chosen, rejected = losses.implicit_reward(logps, reference, question.beta).unsqueeze(1)
            loss = losses.dpo(chosen, rejected).mean()
            lost.append(float(loss.detach()))
            if number < question.steps:
                _descend(optimizer, loss)
        now = logps.detach().tolist()
        return {
            "chosen": now[0],
            "rejected": now[1],
            "ref_chosen": float(reference[0]),
            "ref_rejected": float(reference[1]),
            "losses": [lost[0], lost[-1]],
            "seconds": time.perf_counter() - started,
        }

    # ---- three models

    def write(self, question: Write) -> dict[str, Any]:
        """``{"models": {"empty" | "pretrained" | "tuned": [[text…] a prompt]}, "sft": {"steps", "rows", "seconds"}}``; 0 seconds: not trained."""
        asked = [Asked(prompt=prompt) for prompt in question.prompts]
        written: dict[str, list[list[str]]] = {}
        for name in question.models:
            drawn = Speaker(self.writer(name), self.speaker.tokens).sample(
                asked,
                question.completions,
                temperature=1.0,
                max_new_tokens=LONGEST_COMPLETION,
                seed=question.seed,
                batch_size=64,
            )
            texts: list[list[str]] = [[] for _ in asked]
            for completion in drawn:
                texts[completion.prompt_number].append(completion.text)
            written[name] = texts
        sft = {"steps": SFT_STEPS, "rows": SFT_STEPS * SFT_ROWS, "seconds": self._sft_seconds}
        return {"models": written, "sft": sft}

    def writer(self, name: str) -> Any:
        """One of the three models; the third is trained when it is first asked for."""
        if name not in self._writers:
            self._writers[name] = self._tuned() if name == "tuned" else self._empty()
        return self._writers[name]

    def _empty(self) -> Any:
        """The same shape with the weights that it began with: drawn at random."""
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(self.speaker.model.config).to(self.speaker.model.device).eval()

    def _tuned(self) -> Any:
        """The shipped model after SFT on right demonstrations that write their steps; all weights train."""
        started, tokens = time.perf_counter(), self.speaker.tokens
        model = copy.deepcopy(self.speaker.model).requires_grad_(True).train()
        rows = demonstrations(Split.TRAIN, 1, SFT_STEPS * SFT_ROWS, {Style.STEPS: 1.0})
        optimizer = torch.optim.AdamW(model.parameters(), SFT_RATE)
        for number in range(SFT_STEPS):
            batch = [tokens.encode(row["prompt"], row["completion"]) for row in rows[number * SFT_ROWS :][:SFT_ROWS]]
            logps_B_T, labels_B_T = _logps_of(model, tokens, batch)
            trained = (labels_B_T != losses.IGNORED).sum()
            loss = losses.cross_entropy(logps_B_T, torch.ones_like(logps_B_T), trained)
            _descend(optimizer, loss)
        self._sft_seconds = time.perf_counter() - started
        return model.requires_grad_(False).eval()


def _logps_of(model: Any, tokens: Tokens, rows: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
    """log π of every next token, and the labels that it is of; shape (B, T) each."""
    ids_B_T, mask_B_T = tokens.padded([row.ids for row in rows])
    labels_B_T = torch.full_like(ids_B_T, losses.IGNORED)
    for at, row in enumerate(rows):
        labels_B_T[at, : len(row.ids)] = torch.tensor(row.labels)
    device = next(model.parameters()).device
    ids_B_T, mask_B_T, labels_B_T = (part.to(device) for part in (ids_B_T, mask_B_T, labels_B_T))
    logits_B_T_V = model(input_ids=ids_B_T, attention_mask=mask_B_T).logits
    return losses.next_token_logps(logits_B_T_V, labels_B_T), labels_B_T


def _optimizer(model: Any, rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], rate, weight_decay=0.0)


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down the gradient of a loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def group_loss(logps_B: Tensor, old_B: Tensor, advantages_B: Tensor) -> Tensor:
    """``L = −(1/|D|) Σ_{y ∈ D} min(ρ A, clip(ρ, 1 ± ε) A)`` over the kept answers D, ρ = π(y|x) / π_old(y|x); B answers.

    Made of the trainers' own parts (``losses.py``), with an answer in the place of a token.
    """
    logps_B_1, old_B_1, mask_B_1 = logps_B.unsqueeze(1), old_B.unsqueeze(1), torch.ones(len(old_B), 1)
    ratio_B_1 = losses.ratio(logps_B_1, old_B_1, mask_B_1)
    gain_B_1 = losses.clipped_surrogate(ratio_B_1, advantages_B.to(logps_B.dtype).unsqueeze(1), EPSILON, EPSILON)
    count = len(old_B)
    return losses.over_step(-gain_B_1, mask_B_1, "dapo", tokens=count, rows=count, longest=1)


def serve(home: Path, lines: TextIO, answers: TextIO) -> None:
    """Answer line by line until there are no more: ``{"answer": …}`` or ``{"error": {"key", "params"}}``."""
    tutor = Tutor(home)
    for line in lines:
        try:
            told: dict[str, Any] = {"answer": tutor.answer(parse_question(json.loads(line)))}
            text = json.dumps(told, allow_nan=False)
        except LabError as error:
            text = json.dumps({"error": error.as_dict()})
        except Exception as error:
            traceback.print_exc()
            why = LabError("lesson_failed", why=f"{type(error).__name__}: {error}"[:300])
            text = json.dumps({"error": why.as_dict()})
        answers.write(text + "\n")
        answers.flush()


def main(home: Path) -> int:
    """The process: standard output is for answers alone, whatever a library prints."""
    from lab.training.worker.library_notes import listen

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    listen()
    serve(home, sys.stdin, answers)
    return 0
