"""Rows of a pass laid out one after the other on a CPU, without their padding, and with a beginning that they share read once.

A plain pass computes every place of (n, T), also those that are padding: 40 % of a batch of equations for a reward model. And it computes the
same states once a row where rows begin alike: the completions of a group have one prompt, the two of a pair, too, and a template begins all
rows. Here the model reads a single row of all different tokens. Only attention puts them back into rows: the tokens of a beginning see each
other, those of a rest see their row's beginning and each other (padding-free training, Hugging Face 2024; Prefix Grouper, arXiv 2506.05433). States
and gradients are those of a plain pass, up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutputWithPast

from lab.training.cpu.attention import fits, gradients, to_add, weighted
from lab.training.cpu.attention import use_on_cpu as use_attention
from lab.training.cpu.families import BODIES, has_window

PAYS, PAYS_SMALL = 0.9, 0.7
"""The share of a plain pass's places up to which those that are read may come: laying them out costs time, too. Small models wait for calls, and
for oneDNN's kernels of one more number of rows, rather than for products."""
LARGE = 20_000_000
"""Weights from which on products are most of a pass."""
SHAPES = 5
"""Leading bits that numbers of tokens differ in, so that few kinds of N occur: at most a sixteenth of them is read for nothing."""
PADDING = -1
"""In rows of ids: no token."""
NO_MASK = torch.ones(1, 1, 1, 1)
"""Of four dimensions, so that transformers makes none: ``FlatRows.attend`` knows who sees whom."""


@dataclass(frozen=True)
class Block:
    """Rows of one length, some of whose places hold a token."""

    is_token: torch.Tensor
    """(rows, length), booleans."""

    @cached_property
    def tokens(self) -> int:
        """How many there are."""
        return int(self.is_token.sum())

    @cached_property
    def places(self) -> torch.Tensor | None:
        """The place of each token in rows · length; None where every place holds one."""
        return None if self.tokens == self.is_token.numel() else self.is_token.view(-1).nonzero().squeeze(1)

    def numbered(self, first: int) -> torch.Tensor:
        """(rows, length): the number of each token, from ``first`` on, row by row; 0 where there is none."""
        numbers = torch.zeros_like(self.is_token, dtype=torch.long)
        numbers[self.is_token] = torch.arange(first, first + self.tokens)
        return numbers

    def spread(self, flat: torch.Tensor) -> torch.Tensor:
        """(rows, length, H, D) of the tokens' (N, H, D), 0 where there is none."""
        if self.places is not None:
            flat = flat.new_zeros(self.is_token.numel(), *flat.shape[1:]).index_copy(0, self.places, flat)
        return flat.view(*self.is_token.shape, *flat.shape[1:])

    def gathered(self, spread: torch.Tensor) -> torch.Tensor:
        """The tokens' (N, H, D) of (rows, length, H, D)."""
        flat = spread.flatten(0, 1)
        return flat if self.places is None else flat.index_select(0, self.places)


@dataclass(frozen=True)
class FlatRows:
    """Which tokens of (n, T) are read, in their order: those of the beginnings, a row of each kind, then those of the rests."""

    beginnings: Block
    """(u, L); (1, 0) where none is shared."""
    rests: Block
    """(n, R)."""
    of_row: torch.Tensor
    """Which beginning each row has, (n,)."""
    ids: torch.Tensor
    """Of the tokens and of ``spare`` places behind them, (1, N)."""
    positions: torch.Tensor
    """Of the tokens in their rows, from 0, (1, N)."""
    spare: int
    """Places at the end that are read for nothing: oneDNN makes and keeps a kernel for each N."""
    place: torch.Tensor
    """Of each place of (n, T) its token, (n, T); where it is padding, of any token."""

    @cached_property
    def masks(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Which keys are seen by the queries of beginnings (1, 1, L, L), and of rests (1, 1, R, L + R)."""
        shared, own = self.beginnings.is_token.size(1), self.rests.is_token.size(1)
        first, rest = (torch.ones(size, size, dtype=torch.bool).tril() for size in (shared, own))
        return first[None, None], functional.pad(rest, (shared, 0), value=True)[None, None]

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
    ) -> torch.Tensor:
        """softmax(s Q Kᵀ + mask) V within the rows, (1, N, H, D), for Q (1, H, N, D), K and V (1, G, N, D)."""
        size = query.size(-1) ** -0.5 if scaling is None else scaling
        query, key, value = (each.squeeze(0).transpose(0, 1) for each in (query, key, value))
        if not all(fits(*mask.shape[2:]) for mask in self.masks):
            return _attended(query, key, value, self, size).unsqueeze(0)
        with torch.autocast("cpu", enabled=False):
            output: torch.Tensor = _Attention.apply(query, key, value, self, size)  # type: ignore[no-untyped-call]
        return output.unsqueeze(0)


def flat_rows(ids: torch.Tensor, mask: torch.Tensor | None, at_most: float = 1.0) -> FlatRows | None:
    """How the rows (n, T) with a mask (n, T) of their tokens are laid out; None where a token stands behind padding, and where more than ``at_most``
    of the places would be read."""
    n, width = ids.shape
    seen = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
    lengths, first = seen.sum(1), seen.int().argmax(1)
    at = torch.arange(width)
    here = at - first.unsqueeze(1)  # the position of each place in its row
    if not torch.equal(seen, (here >= 0) & (here < lengths.unsqueeze(1))):
        return None
    longest = int(lengths.max())
    rows = ids.gather(1, (first.unsqueeze(1) + at[:longest]).clamp(max=width - 1))
    rows = rows.masked_fill(at[:longest] >= lengths.unsqueeze(1), PADDING)
    length, kinds, of_row = longest_shared(rows)
    beginnings, rests = Block(rows[kinds, :length] != PADDING), Block(rows[:, length:] != PADDING)
    tokens = beginnings.tokens + rests.tokens
    spare = -tokens % (1 << max(0, tokens.bit_length() - SHAPES))
    if tokens + spare > at_most * n * width:
        return None

    def laid_out(of_rows: torch.Tensor) -> torch.Tensor:
        """(1, N) of numbers of the places of rows, (n, T)."""
        flat = torch.cat([of_rows[kinds, :length][beginnings.is_token], of_rows[:, length:][rests.is_token]])
        return functional.pad(flat, (0, spare)).unsqueeze(0)

    numbers = torch.cat([beginnings.numbered(0)[of_row], rests.numbered(beginnings.tokens)], 1)
    return FlatRows(
        beginnings,
        rests,
        of_row,
        laid_out(rows),
        laid_out(at[:longest].expand(n, longest)),
        spare,
        numbers.gather(1, here.clamp(0, longest - 1)),
    )


@lru_cache(maxsize=8)  # policy, critic and reference read the same rows, in each update of a rollout
@torch.inference_mode(False)  # passes with gradients use them, too
def _laid_out(shape: torch.Size, ids: bytes, mask: bytes | None, at_most: float) -> FlatRows | None:
    """``flat_rows`` of ids and of a mask as they lie in memory."""
    rows = torch.frombuffer(bytearray(ids), dtype=torch.long).view(shape)
    of_mask = None if mask is None else torch.frombuffer(bytearray(mask), dtype=torch.bool).view(shape)
    return flat_rows(rows, of_mask, at_most)


def longest_shared(rows: torch.Tensor) -> tuple[int, torch.Tensor, torch.Tensor]:
    """The length L of the beginning of ``rows`` (n, T) that saves most tokens where each of its kinds is read once; a row of each kind (u,); and
    which of them each row begins with (n,). 0 where nothing is shared.

    Between sorted neighbours stand the lengths that they share. For a length L there are 1 + (neighbours that share less than L) kinds.
    """
    n, longest = rows.shape
    nothing = 0, torch.zeros(1, dtype=torch.long), torch.zeros(n, dtype=torch.long)
    if n < 2 or longest < 2:
        return nothing
    order = torch.tensor(sorted(range(n), key=rows.tolist().__getitem__))
    ordered = rows[order]
    same = ordered[1:] == ordered[:-1]
    lengths = same.cumprod(1).sum(1).clamp(max=longest - 1)  # (n − 1,)
    tokens = (ordered[1:] != PADDING).sum(1)
    saved = {int(length): int(tokens.clamp(max=int(length))[lengths >= length].sum()) for length in lengths.unique()}
    length = max(saved, key=saved.__getitem__)
    if not saved[length]:
        return nothing
    starts = torch.cat([torch.ones(1, dtype=torch.bool), lengths < length])
    of_row = torch.empty(n, dtype=torch.long)
    of_row[order] = starts.cumsum(0) - 1
    return length, order[starts], of_row


class States(NamedTuple):
    """What attention is made of, (rows, heads, length, D) each."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor


class _Attention(torch.autograd.Function):
    """Attention within rows that fit into the cache: backward keeps the tokens, and puts them into rows again, one block after the other."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rows: FlatRows, scaling: float
    ) -> torch.Tensor:
        """(N, H, D) for Q (N, H, D), K and V (N, G, D)."""
        first, rest = (to_add(mask) for mask in rows.masks)
        of_first = weighted(*_of_beginnings(rows, query, key, value), first, scaling)
        output = _joined(rows, of_first, weighted(*_of_rests(rows, query, key, value), rest, scaling))
        ctx.save_for_backward(query, key, value, output)
        ctx.rows, ctx.scaling = rows, scaling
        return output

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, output = ctx.saved_tensors
        rows: FlatRows = ctx.rows
        shared, (first, rest) = rows.beginnings.is_token.size(1), (to_add(mask) for mask in rows.masks)
        states = _of_rests(rows, query, key, value)
        returned = gradients(_own(rows, gradient), *states, _own(rows, output), rest, ctx.scaling)
        of_rests = [each.transpose(1, 2) for each in returned]
        states = _of_beginnings(rows, query, key, value)
        returned = gradients(_first(rows, gradient), *states, _first(rows, output), first, ctx.scaling)
        of_beginnings = [each.transpose(1, 2) for each in returned]
        for place in (1, 2):  # rests have their keys and values, too
            of_beginnings[place] = of_beginnings[place].index_add(0, rows.of_row, of_rests[place][:, :shared])
            of_rests[place] = of_rests[place][:, shared:]
        return *(_joined(rows, *each) for each in zip(of_beginnings, of_rests, strict=True)), None, None


def _attended(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rows: FlatRows, scaling: float
) -> torch.Tensor:
    """The same by torch's attention, for long rows."""
    of_blocks = _of_beginnings(rows, query, key, value), _of_rests(rows, query, key, value)
    outputs = [
        functional.scaled_dot_product_attention(*states, attn_mask=mask, scale=scaling, enable_gqa=True).transpose(1, 2)
        for states, mask in zip(of_blocks, rows.masks, strict=True)
    ]
    return _joined(rows, *outputs)


def _first(rows: FlatRows, flat: torch.Tensor) -> torch.Tensor:
    """The beginnings (u, L, H, D) of (N, H, D)."""
    return rows.beginnings.spread(flat[: rows.beginnings.tokens])


def _own(rows: FlatRows, flat: torch.Tensor) -> torch.Tensor:
    """The rests (n, R, H, D) of (N, H, D)."""
    return rows.rests.spread(flat[rows.beginnings.tokens :][: rows.rests.tokens])


def _joined(rows: FlatRows, first: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    """(N, H, D) of (u, L, H, D) and (n, R, H, D); 0 in spare places."""
    spare = first.new_zeros(rows.spare, *first.shape[2:])
    return torch.cat([rows.beginnings.gathered(first), rows.rests.gathered(rest), spare])


def _of_beginnings(rows: FlatRows, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> States:
    """Q (u, H, L, D), K and V (u, G, L, D)."""
    return States(*(_first(rows, each).transpose(1, 2) for each in (query, key, value)))


def _of_rests(rows: FlatRows, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> States:
    """Q (n, H, R, D), K and V (n, G, L + R, D): rests see their row's beginning."""
    seen = (torch.cat([_first(rows, each)[rows.of_row], _own(rows, each)], 1) for each in (key, value))
    return States(*(each.transpose(1, 2) for each in (_own(rows, query), *seen)))


class _FlatBody:
    """A family's body that reads so where it can."""

    def forward(self, *args: Any, **named: Any) -> Any:
        """As the family's."""
        rows = None if args else _rows_of(self, named)
        if rows is None:
            return super().forward(*args, **named)  # type: ignore[misc]
        output = super().forward(  # type: ignore[misc]
            input_ids=rows.ids,
            position_ids=rows.positions,
            attention_mask=NO_MASK,
            use_cache=False,
            flat_rows=rows,
        )
        return BaseModelOutputWithPast(last_hidden_state=output.last_hidden_state.squeeze(0)[rows.place])


FLAT: dict[type, type] = {body: type(f"Cpu{body.__name__}", (_FlatBody, body), {}) for body in BODIES}
"""By the class of a family's body."""


def use_on_cpu(model: Any) -> None:
    """Let a model's body read so from now on, where it can."""
    if reads_flat(model):
        use_attention()
        body = getattr(model, model.base_model_prefix)
        body.__class__, body.pays = FLAT[type(body)], pays(body)


def pays(body: Any) -> float:
    """Up to which share of its places it reads fewer."""
    return PAYS if sum(parameter.numel() for parameter in body.parameters()) >= LARGE else PAYS_SMALL


def reads_flat(model: Any) -> bool:
    """Whether a model's body is of a known family, and each token sees all tokens before it."""
    return type(getattr(model, model.base_model_prefix, None)) in FLAT and not has_window(model.config)


def _rows_of(body: Any, named: dict[str, Any]) -> FlatRows | None:
    """How a pass's rows are laid out; None where it must be plain, or where that does not pay."""
    ids, mask = named.get("input_ids"), named.get("attention_mask")
    others = ("position_ids", "past_key_values", "inputs_embeds", "output_hidden_states", "output_attentions")
    if body.config._attn_implementation != "sdpa" or ids is None or ids.device.type != "cpu":
        return None
    if any(named.get(name) is not None for name in others) or named.get("use_cache") is not False:
        return None
    if body.training and getattr(body.config, "attention_dropout", 0):
        return None
    if not ids.numel() or (mask is not None and mask.shape != ids.shape):
        return None
    seen = None if mask is None else mask.bool().numpy().tobytes()
    return _laid_out(ids.shape, ids.long().numpy().tobytes(), seen, body.pays)
