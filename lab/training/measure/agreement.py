"""Agreement with people in mid-run: how often a policy leans towards what they chose, on judged pairs that it never trains on.

It leans towards y where it makes y more likely than its start did. That is DPO's implicit reward without its scale β (Rafailov
et al., arXiv 2305.18290, eq. 5; what depends on the prompt alone falls out of a comparison)::

    r(x, y)   = log π(y|x) − log π_start(y|x),   sums over the tokens of the completion, its end among them
    agreement = mean over pairs of 1[r(chosen) > r(rejected)] + ½ · 1[r(chosen) = r(rejected)]

so it is exactly ½ before the first step. Not here: which pairs (``lab/data/heldout_preferences.py``), and what a fall of it means
(``lab/core/hacking.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from lab.errors import DatasetError
from lab.training.models.tokens import Tokens
from lab.training.worker.divergence import finite_scores

Row = dict[str, Any]


class Agreement:
    """Judged pairs as a policy reads them, with what its start gives them, which is computed here and once.

    No forward pass has more than ``rows`` rows, and none holds the scores of more than ``scored_at_once`` next tokens, so that measuring
    takes no more memory than an update does. ``log_line`` goes to the log with their number.
    """

    def __init__(
        self,
        start: Any,
        tokens: Tokens,
        pairs: Sequence[Row],
        *,
        rows: int,
        scored_at_once: int,
        name: str = "",
        log_line: str = "watching {} judged pairs",
    ) -> None:
        self._rows, self._scored_at_once, self._tokens = rows, scored_at_once, tokens
        both = [tokens.encode_pair(pair["prompt"], pair["chosen"], pair["rejected"]) for pair in pairs]
        sides = [[(side.ids, side.begin) for side in pair] for pair in both]
        context = getattr(start.config.get_text_config(), "max_position_embeddings", None)
        fit = [pair for pair in sides if context is None or max(len(ids) for ids, _ in pair) <= context]
        if not fit:
            raise DatasetError("watch_too_long", value=name, count=len(pairs), context=context)
        left_out = f", {len(sides) - len(fit)} more are longer than the model reads" if len(fit) < len(sides) else ""
        print(log_line.format(len(fit)) + left_out, flush=True)
        self._texts = [text for pair in fit for text in pair]
        self._start = self._logps(start)

    def of(self, policy: Any) -> dict[str, Any]:
        """``{"agreement", "agreement_pairs"}`` of the policy as it is now."""
        margins = self.margins(policy)
        return {"agreement": share_won(margins), "agreement_pairs": len(margins)}

    def margins(self, policy: Any) -> np.ndarray:
        """r(x, chosen) − r(x, rejected) of every pair, in nats, shape (pairs,)."""
        moved = (self._logps(policy) - self._start).reshape(-1, 2)
        difference: np.ndarray = moved[:, 0] - moved[:, 1]
        return difference

    def _logps(self, model: Any) -> np.ndarray:
        """log π(y|x) of every text, shape (2 · pairs,): chosen and rejected in turn."""
        logps = np.zeros(len(self._texts))
        training = model.training
        model.eval()
        try:
            with torch.no_grad(), finite_scores(model):
                for places in self._batches():
                    logps[places] = self._sums(model, places).cpu().numpy()
        finally:
            model.train(training)
        return logps

    def _batches(self) -> Iterator[list[int]]:
        """Texts of like length together, the longest first; the same for every model."""
        order = sorted(range(len(self._texts)), key=lambda place: -len(self._texts[place][0]))
        while order:
            size = max(1, min(self._rows, self._scored_at_once // len(self._texts[order[0]][0])))
            yield order[:size]
            order = order[size:]

    def _sums(self, model: Any, places: list[int]) -> torch.Tensor:
        """Σ log π over the completion's tokens of these texts, shape (B,), in float64."""
        texts = [self._texts[place] for place in places]
        ids, mask = (batch.to(model.device) for batch in self._tokens.padded([row for row, _ in texts]))
        longest = ids.shape[1]
        place_T = torch.arange(longest, device=model.device)
        ends = mask.sum(1, keepdim=True)
        begins = torch.tensor([begin for _, begin in texts], device=model.device).unsqueeze(1)
        sums = torch.zeros(len(texts), dtype=torch.float64, device="cpu")
        width = max(1, self._scored_at_once // len(texts))
        for first in range(int(begins.min()), longest, width):
            written = place_T[first : first + width]
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=written - 1).logits
            wide = torch.promote_types(logits.dtype, torch.float32)
            logps_B_T = torch.log_softmax(logits.to(wide), -1).gather(-1, ids[:, written].unsqueeze(-1)).squeeze(-1)
            counted = (written >= begins) & (written < ends)
            sums += (logps_B_T * counted).cpu().double().sum(1)
        return sums


def share_won(margins: np.ndarray) -> float:
    """The share of margins above 0; a tie counts half."""
    return float((margins > 0).mean() + 0.5 * (margins == 0).mean())
