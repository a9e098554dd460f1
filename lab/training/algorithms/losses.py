"""The losses of the six algorithms as pure functions on tensors: each with its formula, its shapes and its source.

The siblings (``pretrain.py`` … ``grpo.py``) call these and nothing else, so what is read here is what runs. A function knows no model,
recipe or trainer. Sums over a whole optimiser step, of which one call sees one micro-batch, are divided by the *step's* counts
(``tokens``, ``rows``, ``pairs``), so that the parts of its micro-batches add up to the loss of the step.

Shapes: B rows, T tokens of a completion (padded on the right), V tokens of the vocabulary. ``mask_B_T`` is 1 on real tokens. Values at
masked places may be anything finite; they never count.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = -100
"""A label that is not trained: the prompt's tokens and padding."""

Count: TypeAlias = int | float | Tensor
"""How many tokens, rows or pairs there are: of a step or of a batch."""


# ---- next tokens: pretrain, sft


def next_token_logps(logits_B_T_V: Tensor, labels_B_T: Tensor) -> Tensor:
    """log π(y_{t+1} | y_≤t) of each place's next label, shape (B, T); 0 where that label is ``IGNORED``, and at the last place."""
    next_B_T = F.pad(labels_B_T, (0, 1), value=IGNORED)[:, 1:]
    flat = F.cross_entropy(
        logits_B_T_V.float().flatten(0, 1), next_B_T.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return -flat.view(next_B_T.shape)


def cross_entropy(logps_B_T: Tensor, mask_B_T: Tensor, tokens: Count) -> Tensor:
    """``L = −(1/tokens) Σ_{trained t} log π(y_t | x, y_<t)``: over every token (pretrain) or over the completion's alone (sft)."""
    return -(logps_B_T * mask_B_T).sum() / tokens


# ---- preferences: rm, dpo


def bradley_terry(chosen_B: Tensor, rejected_B: Tensor) -> Tensor:
    """``−log σ(r(x, chosen) − r(x, rejected))`` of each pair, shape (B,). Ouyang et al., arXiv 2203.02155, eq. 1."""
    return -F.logsigmoid(chosen_B - rejected_B)


def implicit_reward(logps_B: Tensor, reference_B: Tensor, beta: float) -> Tensor:
    """``r = β (log π(y|x) − log π_ref(y|x))`` of each response, shape (B,). Rafailov et al., arXiv 2305.18290, eq. 5."""
    return beta * (logps_B - reference_B)


def dpo(chosen_B: Tensor, rejected_B: Tensor) -> Tensor:
    """``−log σ(r(chosen) − r(rejected))`` of each pair's implicit rewards, shape (B,). Rafailov et al., arXiv 2305.18290, eq. 7."""
    return bradley_terry(chosen_B, rejected_B)


# ---- the clipped surrogate: ppo, grpo


def ratio(logps_B_T: Tensor, old_B_T: Tensor, mask_B_T: Tensor, level: str = "token") -> Tensor:
    """How much likelier the policy makes what it wrote than the policy that wrote it.

    ``token``: ``ρ_t = π(y_t) / π_old(y_t)``, shape (B, T) (Schulman et al., arXiv 1707.06347, section 3).
    ``sequence``: ``(π(y) / π_old(y))^(1/|y|)``, shape (B, 1) (GSPO, arXiv 2507.18071, eq. 7).
    """
    log_ratio_B_T = logps_B_T - old_B_T
    if level == "token":
        return log_ratio_B_T.exp()
    if level == "sequence":
        length_B_1 = mask_B_T.sum(1, keepdim=True).clamp(min=1)
        return ((log_ratio_B_T * mask_B_T).sum(1, keepdim=True) / length_B_1).exp()
    raise ValueError(f"a ratio is of a token or of a sequence, not of {level!r}")


def clipped_surrogate(ratio_B_T: Tensor, advantages_B_T: Tensor, low: float, high: float) -> Tensor:
    """``min(ρ A, clip(ρ, 1 − ε_low, 1 + ε_high) A)``, shape (B, T): what is maximised. Schulman et al., arXiv 1707.06347, eq. 7.

    Two bounds: DAPO, arXiv 2503.14476, section 3.1. Advantages of shape (B, 1) hold for all tokens of a row.
    """
    return torch.minimum(ratio_B_T * advantages_B_T, ratio_B_T.clamp(1 - low, 1 + high) * advantages_B_T)


def is_clipped(ratio_B_T: Tensor, advantages_B_T: Tensor, low: float, high: float) -> Tensor:
    """Where the clip holds the policy back (no gradient), shape (B, T), bool."""
    return ((ratio_B_T < 1 - low) & (advantages_B_T < 0)) | ((ratio_B_T > 1 + high) & (advantages_B_T > 0))


def sampler_log_ratio(old_B_T: Tensor, sampler_B_T: Tensor, mask_B_T: Tensor) -> Tensor:
    """``log π_old(y_t) − log π_sampler(y_t)``, shape (B, T): how far the policy in training is from what wrote the tokens.

    0 where the mask is 0, and where the sampler stated no number (NaN).
    """
    return torch.nan_to_num((old_B_T - sampler_B_T).masked_fill(mask_B_T == 0, 0.0), nan=0.0)


def importance_weights(log_ratio_B_T: Tensor, correction: str, cap: float) -> Tensor:
    """What weighs a token's gain so that completions of another sampler train the policy without bias: w = π_old / π_sampler, bounded.

    ``token_…``: of each token, shape (B, T); ``sequence_…``: of the whole completion, the product of its tokens', shape (B, 1).
    ``…_truncate``: ``min(w, cap)`` (Ionides 2008; Yao et al., "Your efficient RL framework secretly brings you off-policy RL training",
    2025); ``…_mask``: w, and 0 where it is above the cap. As trl 1.16 has them. Exactly 1 where both give the same log-probabilities.
    """
    level, _, bound = correction.partition("_")
    if level not in ("token", "sequence") or bound not in ("truncate", "mask"):
        raise ValueError(f"no such importance correction: {correction!r}")
    weights = (log_ratio_B_T.sum(1, keepdim=True) if level == "sequence" else log_ratio_B_T).exp()
    return weights.clamp(max=cap) if bound == "truncate" else weights.masked_fill(weights > cap, 0.0)


def kl_k1(logps_B_T: Tensor, reference_B_T: Tensor) -> Tensor:
    """``log π − log π_ref`` at sampled tokens: unbiased for KL(π‖π_ref), may be negative. Schulman, "Approximating KL divergence", 2020."""
    return logps_B_T - reference_B_T


def kl_k2(logps_B_T: Tensor, reference_B_T: Tensor) -> Tensor:
    """``½ (log π − log π_ref)²``: never negative, biased, low variance. The same note."""
    return 0.5 * (logps_B_T - reference_B_T) ** 2


def kl_k3(logps_B_T: Tensor, reference_B_T: Tensor) -> Tensor:
    """``π_ref/π − log(π_ref/π) − 1``: never negative, unbiased. The same note; GRPO's (arXiv 2402.03300, eq. 4)."""
    log_ratio_B_T = reference_B_T - logps_B_T
    return log_ratio_B_T.exp() - log_ratio_B_T - 1


def token_weights(mask_B_T: Tensor, loss_type: str, *, tokens: Count, rows: Count, longest: int) -> Tensor:
    """What each token counts in the loss of its step, shape (B, T); 0 where the mask is 0.

    ========= ============================= =============================================
    loss_type weight of a token of row i    source
    ========= ============================= =============================================
    dapo      ``1 / tokens``                DAPO, arXiv 2503.14476, eq. 8
    bnpo      the same                      (a mean over each micro-batch in trl)
    grpo      ``1 / (rows · |y_i|)``        DeepSeekMath, arXiv 2402.03300, eq. 3
    dr_grpo   ``1 / (rows · longest)``      Dr. GRPO, arXiv 2503.20783, section 3
    ========= ============================= =============================================

    ``tokens`` and ``rows``: of the whole step; ``longest``: the most tokens that a completion may have.
    """
    if loss_type in ("dapo", "bnpo"):
        return mask_B_T / tokens
    if loss_type == "grpo":
        return mask_B_T / (mask_B_T.sum(1, keepdim=True).clamp(min=1) * rows)
    if loss_type == "dr_grpo":
        return mask_B_T / (rows * longest)
    raise ValueError(f"no such loss type: {loss_type!r}")


def over_step(
    values_B_T: Tensor, mask_B_T: Tensor, loss_type: str, *, tokens: Count, rows: Count, longest: int
) -> Tensor:
    """Token losses as one number, ``Σ_i Σ_t weight · x``; the parts of a step's micro-batches add up to the step's."""
    return (values_B_T * token_weights(mask_B_T, loss_type, tokens=tokens, rows=rows, longest=longest)).sum()


# ---- values: ppo


def token_rewards(kl_B_T: Tensor, rewards_B: Tensor, mask_B_T: Tensor, coefficient: float) -> Tensor:
    """``r_t = −β kl_t``, and on the last token ``+ R(x, y)``, shape (B, T). Ouyang et al., arXiv 2203.02155, eq. 2."""
    rewards_B_T = -coefficient * kl_B_T * mask_B_T
    last_B = (mask_B_T.sum(1) - 1).clamp(min=0).long()
    rewards_B_T[torch.arange(len(last_B), device=last_B.device), last_B] += rewards_B
    return rewards_B_T


def gae(rewards_B_T: Tensor, values_B_T: Tensor, mask_B_T: Tensor, discount: float, lam: float) -> Tensor:
    """``A_t = Σ_l (γλ)^l δ_{t+l}`` with ``δ_t = r_t + γ V(s_{t+1}) − V(s_t)``, shape (B, T); V after the end is 0.

    Schulman et al., arXiv 1506.02438, eq. 16. 0 where the mask is 0.
    """
    rewards_B_T, values_B_T = rewards_B_T * mask_B_T, values_B_T * mask_B_T
    advantages_B_T = torch.zeros_like(rewards_B_T)
    running_B = torch.zeros_like(rewards_B_T[:, 0])
    after_B = torch.zeros_like(running_B)
    for t in range(rewards_B_T.shape[1] - 1, -1, -1):
        delta_B = rewards_B_T[:, t] + discount * after_B - values_B_T[:, t]
        running_B = (delta_B + discount * lam * running_B) * mask_B_T[:, t]
        advantages_B_T[:, t], after_B = running_B, values_B_T[:, t]
    return advantages_B_T


def whiten(values_B_T: Tensor, mask_B_T: Tensor, known: Tensor | None = None) -> Tensor:
    """``(x − mean) / (std + 1e-8)`` over all real tokens, shape (B, T), 0 elsewhere; the deviation is the population's (n, not n − 1).

    ``known`` are the values of the whole rollout's real tokens, shape (N,), where the batch is a part of it.
    """
    known = values_B_T[mask_B_T.bool()] if known is None else known
    return (values_B_T - known.mean()) / (known.std(unbiased=False) + 1e-8) * mask_B_T


def clipped_value_loss(values_B_T: Tensor, old_B_T: Tensor, returns_B_T: Tensor, clip: float) -> Tensor:
    """``½ max((V − R)², (V_old + clip(V − V_old, ±ε_V) − R)²)`` of each token, shape (B, T).

    The clip is that of the first public PPO (OpenAI baselines ``ppo2``); the ½ stands in Schulman et al., arXiv 1707.06347, eq. 9, as c_1.
    """
    near_B_T = old_B_T + (values_B_T - old_B_T).clamp(-clip, clip)
    return 0.5 * torch.maximum((values_B_T - returns_B_T) ** 2, (near_B_T - returns_B_T) ** 2)


def explained_variance(returns: Tensor, values: Tensor) -> float:
    """``1 − Var(returns − V) / Var(returns)`` over any shape; 0 where the returns do not vary."""
    spread: Any = returns.var(unbiased=False)
    return float(1 - (returns - values).var(unbiased=False) / spread) if spread > 0 else 0.0
