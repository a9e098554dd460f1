"""Held-out measurement: sample completions, score them, and say how far the policy has moved from its start.

pass@1 is the share of sampled completions (temperature 1) that equal the answer. Used before, during and after a run, by every
algorithm alike, so that they are compared on equal terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from lab.data.turns import Prompt, last_words
from lab.sandbox.ready import READY
from lab.sandbox.rewards import Weighed, reward_batch, scores_of
from lab.training.cpu.generation import quick_generation
from lab.training.models.sharding import kept_gathered
from lab.training.models.tokens import Tokens
from lab.training.worker.divergence import finite_scores

BATCH = 256
KL_SAMPLES = 256

Row = dict[str, Any]


def sample(
    model: Any,
    tokens: Tokens,
    prompts: Sequence[Prompt],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    seed: int | None = None,
    as_trained: bool = False,
    on_batch: Callable[[float], None] | None = None,
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor, str]]:
    """One completion for each prompt, as (index, prompt ids, completion ids up to and with the end token, text).

    With ``as_trained`` a prompt is asked as demonstrations have it (``Tokens.asked_as_trained``), and its text is what the model wrote;
    otherwise as a chat asks it, and the text begins with what the template opened. The global generators are put back afterwards, so
    that measuring in mid-run changes nothing that is trained.
    """
    state = torch.random.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    training = model.training
    model.eval()
    try:
        if seed is not None:
            torch.manual_seed(seed)
        order = sorted(range(len(prompts)), key=lambda i: len(str(prompts[i])))  # like lengths together: less padding
        for start in range(0, len(order), BATCH):
            chunk = order[start : start + BATCH]
            some = [prompts[i] for i in chunk]
            yield from _sample_batch(model, tokens, some, chunk, max_new_tokens, temperature, as_trained)
            if on_batch:
                on_batch(min(1.0, (start + len(chunk)) / len(order)))
    finally:
        model.train(training)
        torch.random.set_rng_state(state)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def _sample_batch(
    model: Any,
    tokens: Tokens,
    prompts: list[Prompt],
    indices: list[int],
    max_new_tokens: int,
    temperature: float,
    as_trained: bool,
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor, str]]:
    asked = [tokens.asked_as_trained(prompt) if as_trained else tokens.asked(prompt) for prompt in prompts]
    ids, mask = (batch.to(model.device) for batch in tokens.padded(asked, "left"))
    with torch.no_grad(), finite_scores(model), quick_generation(model), kept_gathered(model):
        output = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            temperature=temperature,
            top_k=0,
            top_p=1.0,
            max_new_tokens=max_new_tokens,
            pad_token_id=tokens.pad,
            eos_token_id=list(tokens.ends) or None,
        )
    for row, index in enumerate(indices):
        completion = tokens.until_end(output[row, ids.shape[1] :].tolist())
        text = tokens.text(completion, opened=not as_trained)
        yield index, ids[row][mask[row].bool()], torch.tensor(completion, device=ids.device), text


def held_out(
    model: Any,
    tokens: Tokens,
    rows: Sequence[Row],
    rules: Sequence[Weighed],
    *,
    samples: int,
    max_new_tokens: int,
    seed: int,
    as_trained: bool = False,
    on_batch: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """``{"pass_at_1", "reward", "samples"}`` over ``samples`` completions, prompts taken in turn; the same seed draws alike.

    pass@1 is always measured by the same rule, whatever the run is rewarded for. Where the rows have demonstrations, the longest of
    these tells how long a completion may be, in place of ``max_new_tokens``.
    """
    max_new_tokens = longest_demonstration(tokens, rows) or max_new_tokens
    chosen = [rows[i % len(rows)] for i in range(samples)]
    prompts = [row["prompt"] for row in chosen]
    drawn = sample(
        model, tokens, prompts, max_new_tokens=max_new_tokens, seed=seed, as_trained=as_trained, on_batch=on_batch
    )
    written = [(last_words(chosen[index]["prompt"]), text, chosen[index]["answer"]) for index, _, _, text in drawn]
    right = sum(score.value for score in scores_of(READY["equals_answer"], written))
    reward = sum(reward.value for reward in reward_batch(rules, written))
    return {"pass_at_1": right / samples, "reward": reward / samples, "samples": samples}


def longest_demonstration(tokens: Tokens, rows: Sequence[Row]) -> int:
    """Tokens of the longest ``completion`` among the rows, with its end token; 0 where none has one."""
    with_demonstration = [row for row in rows if "completion" in row]
    encoded = (tokens.encode(row["prompt"], row["completion"]) for row in with_demonstration)
    return max((len(row.ids) - row.begin for row in encoded), default=0)


def kl_from_start(
    policy: Any,
    start: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    tokens: Tokens,
    rows: Sequence[Row],
    *,
    max_new_tokens: int,
    seed: int,
    samples: int = KL_SAMPLES,
    as_trained: bool = False,
    on_batch: Callable[[float], None] | None = None,
) -> float:
    """KL(policy ‖ start), estimated on the policy's own completions, in nats a completion.

    The mean over completions of Σ_t [log π(y_t) − log π_start(y_t)], which is unbiased. ``start(input_ids, mask)`` gives
    the start's token log-probabilities of shape (1, T − 1). Completions are as long as in ``held_out``.
    """
    max_new_tokens = longest_demonstration(tokens, rows) or max_new_tokens
    prompts = [rows[i % len(rows)]["prompt"] for i in range(samples)]
    total = 0.0
    drawn = sample(
        policy, tokens, prompts, max_new_tokens=max_new_tokens, seed=seed, as_trained=as_trained, on_batch=on_batch
    )
    for _, prompt_ids, completion_ids, _ in drawn:
        ids = torch.cat([prompt_ids, completion_ids]).unsqueeze(0)
        mask = torch.ones_like(ids)
        with torch.no_grad():
            difference = token_logps(policy, ids, mask) - start(ids, mask)
        total += float(difference[:, len(prompt_ids) - 1 :].sum())
    return total / samples


def token_logps(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """log π(y_t | y_<t) for t ≥ 1; shape (B, T − 1), in float32."""
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
    return torch.log_softmax(logits, -1).gather(-1, ids[:, 1:].unsqueeze(-1)).squeeze(-1)
