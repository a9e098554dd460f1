"""What each token of a completion wrote, for the journal of PPO: pieces that join to the completion's text.

A character may be spread over tokens (byte-level vocabularies split rare CJK characters and emoji). The token that ends it has it
whole; those before it have an empty piece. Not here: values and advantages (``ppo.py``), or how any of it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Piece = str | dict[str, str]
"""The text that a token added, or ``{"special": its name}`` where it writes nothing, such as the end token."""

UNFINISHED = "\ufffd"
"""What decoders write for bytes that are no character (yet)."""


class TokenPieces:
    """Cuts completions of one tokenizer into the pieces of their tokens. Remembers what a token writes alone."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        self._alone: dict[int, Piece] = {at: {"special": str(token)} for at, token in added.items() if token.special}

    def of(self, ids: Sequence[int]) -> list[Piece] | None:
        """One piece a token; the texts among them join to the decoded text, or None where that cannot be had."""
        pieces = [self._piece(token) for token in ids]
        whole = self._decode(ids)
        if joined(pieces) == whole and UNFINISHED not in whole:
            return pieces
        writing = [at for at, piece in enumerate(pieces) if isinstance(piece, str)]
        for at, text in zip(writing, self._in_context([ids[at] for at in writing], whole), strict=True):
            pieces[at] = text
        return pieces if joined(pieces) == whole else None

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def _piece(self, token: int) -> Piece:
        """What a token writes by itself. Right for whole words; not for parts of a character, nor for ``▁word`` at the start."""
        if token not in self._alone:
            self._alone[token] = self._decode([token])
        return self._alone[token]

    def _in_context(self, ids: Sequence[int], whole: str) -> list[str]:
        """What each token added to those before it: a short window is decoded, from the last but one token that ended a character."""
        texts: list[str] = []
        begin = ended = 0
        shown = ""
        for end in range(1, len(ids) + 1):
            text = self._decode(ids[begin:end])
            sure = _without_unfinished(text)
            texts.append(sure[len(shown) :])
            shown = max(shown, sure, key=len)
            if sure == text:
                begin, ended = ended, end
                shown = self._decode(ids[begin:ended])
        if texts and whole.startswith("".join(texts)):  # bytes at the end that never became a character
            texts[-1] += whole[len("".join(texts)) :]
        return texts


def _without_unfinished(text: str) -> str:
    """The text without what its last bytes, three at most, may still change."""
    unsure = len(text) - len(text.rstrip(UNFINISHED))
    return text[: len(text) - min(unsure, 3)]


def joined(pieces: Sequence[Piece]) -> str:
    """The text that the pieces make together."""
    return "".join(piece for piece in pieces if isinstance(piece, str))
