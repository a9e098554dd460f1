"""From a conversation to token ids: which of them are trained, where turns end, what pads, and what a template opens for the model.

This is the only module that renders a chat template. Training, measuring, sampling, scoring, preview and estimate ask it, so that a
token is located once. Terms:

- The *generation prompt* is what the template writes after the last message to ask for an answer, for example ``<|assistant|>``.
- The *end* of an assistant turn is the first token after its content that stops generation. Whatever a template writes behind it
  (ChatML writes a new line) is neither trained nor read: a reward model is read at the end.
- What a template *opens* is the part of the generation prompt that belongs to the answer, for example ``<think>`` and a new line. The
  text of a completion begins with it, so that rules and reward models see the whole answer.
- Some templates *rewrite* what was asked once it is answered: Mistral's write system text into the last message, if that is the user's.
  There the completion is put behind what is asked: a model is trained on what it will read.

Not here: loading tokenizers and models (``base.py``), reading rows (``lab/data``), or whether rows are too long (``length_filter.py``).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError, TemplateSyntaxError

from lab.data.turns import ASSISTANT, SYSTEM, USER, Prompt, Turns, as_conversation
from lab.errors import ModelError

IGNORED = -100
"""The label of a token that is not trained (torch's ``ignore_index``)."""

TEMPLATE_ERRORS = (TemplateError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError)
"""What a template's own code may raise."""

_QUESTION, _ANSWER = "quaestio", "responsum"
"""Content of the conversation that a template is examined with."""


@dataclass(frozen=True)
class Span:
    """One assistant turn: the model writes the tokens ``begin … stop - 1``; ``end`` is the place of its end token, None where it is cut off."""

    begin: int
    stop: int
    end: int | None


@dataclass(frozen=True)
class Encoded:
    """A finished conversation: its ids up to and with the last end token, and its assistant turns (the last one at least)."""

    ids: list[int]
    spans: tuple[Span, ...]

    @property
    def begin(self) -> int:
        """Where the last assistant turn begins: the length of the prompt."""
        return self.spans[-1].begin

    @property
    def end(self) -> int | None:
        """Where the last end token stands; a reward model is read there. None where it is cut off."""
        return self.spans[-1].end

    @property
    def labels(self) -> list[int]:
        """The ids that are trained, ``IGNORED`` elsewhere; as long as ``ids``."""
        labels = [IGNORED] * len(self.ids)
        for span in self.spans:
            labels[span.begin : span.stop] = self.ids[span.begin : span.stop]
        return labels

    def cut(self, length: int) -> Encoded:
        """The first ``length`` tokens. A turn that loses its end token has no end: none is put in its place."""
        if length >= len(self.ids):
            return self
        spans = tuple(
            Span(span.begin, min(span.stop, length), span.end if span.end is not None and span.end < length else None)
            for span in self.spans
            if span.begin < length
        )
        return Encoded(self.ids[:length], spans or (Span(length, length, None),))


@dataclass(frozen=True)
class Opened:
    """What the generation prompt writes of the answer itself, and whether a finished conversation has it too."""

    text: str = ""
    trained: bool = True


@dataclass(frozen=True)
class Tokens:
    """A tokenizer with its template, examined once (``tokens_of``)."""

    tokenizer: Any
    ends: tuple[int, ...]
    """The ids that end a turn: the tokenizer's, those of ``generation_config``, and the template's own."""
    pad: int
    opened: Opened
    template_end: int | None
    """The token that the template writes after an assistant's content; None where it writes none, and EOS is added in its place."""
    trailing: int = 0
    """How many tokens the template writes behind that."""
    rewrites: bool = False
    """Whether the template writes what was asked otherwise once it is answered, as Mistral's do with system text."""

    # ---- what is asked

    def asked(self, prompt: Prompt) -> list[int]:
        """The ids of a prompt with the generation prompt: what a model continues. Raises ModelError where the template refuses it."""
        return self._ids(as_conversation(prompt), ask=True)

    def asked_as_trained(self, prompt: Prompt) -> list[int]:
        """The same as demonstrations have it: without what the template opens, where finished conversations do not contain that."""
        if self.opened.trained:
            return self.asked(prompt)
        encoded = self.encode(prompt, _ANSWER)
        return encoded.ids[: encoded.begin]

    # ---- what is trained and scored

    def encode(
        self, prompt: Prompt, completion: str, *, every_turn: bool = False, asked: Sequence[int] | None = None
    ) -> Encoded:
        """A prompt and its completion, as they are trained, compared and scored.

        With ``every_turn`` the assistant's earlier turns in the prompt are trained too, except one that nothing precedes. ``asked``: what
        ``self.asked(prompt)`` gives, where that is known.
        """
        turns = answered(prompt, completion)
        whole, asked = self._ids(turns), self.asked(prompt) if asked is None else asked
        begin = max(1, common_prefix(asked, whole))
        if _rewritten(self.tokenizer, turns[:-1], asked, begin):
            written, _ = self._written(turns, len(turns) - 1)
            whole, begin = [*asked, *whole[written:]], len(asked)
        end = self._last_end(whole, begin)
        if end is None and self.tokenizer.eos_token_id is not None:
            whole, end = [*whole, self.tokenizer.eos_token_id], len(whole)
        stop = len(whole) if end is None else end + 1
        earlier = self._earlier_spans(turns[:-1], whole, begin) if every_turn else ()
        return Encoded(whole[:stop], (*earlier, Span(begin, stop, end)))

    def finished(self, prompt: Prompt, completion: str) -> list[int]:
        """The ids of ``encode`` alone, for half the work: where the completion begins is not looked for."""
        if self.rewrites:
            return self.encode(prompt, completion).ids
        whole = self._ids(answered(prompt, completion))
        stop = len(whole) - self.trailing
        if self.template_end is not None and whole[stop - 1] == self.template_end:
            return whole[:stop]
        return self.encode(prompt, completion).ids

    def encode_pair(self, prompt: Prompt, chosen: str, rejected: str) -> tuple[Encoded, Encoded]:
        """Both sides of a preference, with the same prompt: the tokens that they share with what is asked."""
        asked = self.asked(prompt)
        sides = [self.encode(prompt, text, asked=asked) for text in (chosen, rejected)]
        begin = min(side.begin for side in sides)
        first, second = (replace(side, spans=(replace(side.spans[-1], begin=begin),)) for side in sides)
        return first, second

    def loses(self, prompt: Prompt, completion: str) -> bool:
        """Whether the template leaves out part of a completion, as thinking templates do with what stands before ``</think>``."""
        text = render_text(self.tokenizer, answered(prompt, completion))
        return "".join(completion.split()) not in "".join(text.split())

    def drops(self, prompt: Prompt) -> list[str]:
        """The roles of the messages that the template leaves out when a prompt is asked; of an answer only what was thought may be."""
        turns = as_conversation(prompt)
        text = "".join(render_text(self.tokenizer, turns, ask=True).split())
        said = [(turn["role"], "".join(turn["content"].rpartition("</think>")[2].split())) for turn in turns]
        return [role for role, content in said if content not in text]

    # ---- what a model wrote

    def has_ended(self, ids: Sequence[int]) -> bool:
        """Whether a completion's last token ends it; otherwise it was cut off."""
        return len(ids) > 0 and int(ids[-1]) in self.ends

    def until_end(self, ids: Sequence[int]) -> list[int]:
        """The ids of a generated row up to and with the first end token: what follows is padding."""
        kept: list[int] = []
        for token in ids:
            kept.append(int(token))
            if kept[-1] in self.ends:
                break
        return kept

    def text(self, ids: Sequence[int], *, opened: bool = True) -> str:
        """The text of a completion as rules, reward models and people see it: what the template opened, and what the model wrote."""
        written: str = self.tokenizer.decode(self.until_end(ids), skip_special_tokens=True)
        return (self.opened.text if opened else "") + written

    # ---- batches

    def padded(self, rows: Sequence[Sequence[int]], side: str = "right") -> tuple[torch.Tensor, torch.Tensor]:
        """``(ids, mask)`` of shape (rows, longest). The mask comes from the lengths, so that the pad token may equal an end token."""
        width = max(map(len, rows), default=0)
        ids = torch.full((len(rows), width), self.pad, dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for place, row in enumerate(rows):
            columns = slice(width - len(row), width) if side == "left" else slice(0, len(row))
            ids[place, columns] = torch.tensor(list(row), dtype=torch.long)
            mask[place, columns] = 1
        return ids, mask

    # ---- how

    def _ids(self, turns: Turns, *, ask: bool = False) -> list[int]:
        return render(self.tokenizer, turns, ask=ask)

    def _last_end(self, whole: Sequence[int], begin: int) -> int | None:
        """The place of the last turn's end token: counted from behind, else the last one that ends a turn."""
        place = len(whole) - 1 - self.trailing
        if place >= begin and whole[place] == self.template_end:
            return place
        return next((at for at in range(len(whole) - 1, begin - 1, -1) if whole[at] in self.ends), None)

    def _earlier_spans(self, turns: Turns, whole: Sequence[int], limit: int) -> tuple[Span, ...]:
        """The assistant's turns before the last one, each up to and with its first end token; where the template writes none, its text."""
        spans = []
        for number, message in enumerate(turns):
            if message["role"] != ASSISTANT or number == 0:
                continue
            asked = self._ids(turns[:number], ask=True)
            begin, stop = max(1, common_prefix(asked, whole)), limit
            if self.template_end is None or _rewritten(self.tokenizer, turns[:number], asked, begin):
                begin, stop = self._written(turns, number, ask=True)
            open_ended = self.template_end is None
            last = min(limit, stop + 1) if open_ended else limit
            end = next((at for at in range(begin, last) if whole[at] in self.ends), None)
            if end is not None:
                spans.append(Span(begin, end + 1, end))
            elif open_ended:
                spans.append(Span(begin, min(stop, limit), None))
        return tuple(spans)

    def _written(self, turns: Turns, number: int, *, ask: bool = False) -> tuple[int, int]:
        """Where the text of one message begins and stops in a conversation's ids: what changes with it."""
        other = _ANSWER if turns[number]["content"].strip()[:1] != _ANSWER[0] else _QUESTION
        changed = [*turns[:number], {**turns[number], "content": other}, *turns[number + 1 :]]
        ids, others = self._ids(turns, ask=ask), self._ids(changed, ask=ask)
        begin = max(1, common_prefix(ids, others))
        return begin, max(begin, len(ids) - common_prefix(ids[::-1], others[::-1]))


def tokens_of(tokenizer: Any, eos: Iterable[int] = ()) -> Tokens:
    """Examine a tokenizer and its template; ``eos`` are further end tokens (``eos_in``). Raises ModelError where the template fails."""
    _check_writes(tokenizer)
    own = tokenizer.eos_token_id
    known = {number for number in (own, *eos) if number is not None}
    template_end, trailing = _end_of_turn(tokenizer, known)
    ends = sorted(known | ({template_end} if template_end is not None else set()))
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (ends or [0])[0]
    return Tokens(tokenizer, tuple(ends), pad, _opened(tokenizer), template_end, trailing, _rewrites(tokenizer))


def eos_in(folder: Path | str) -> tuple[int, ...]:
    """The end tokens that a model's folder names: those of ``generation_config.json``, where it has none those of ``config.json``."""
    for name in ("generation_config.json", "config.json"):
        try:
            config = json.loads((Path(folder) / name).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        ends = config.get("eos_token_id", config.get("text_config", {}).get("eos_token_id"))
        if ends is not None:
            return tuple(ends) if isinstance(ends, list) else (int(ends),)
    return ()


def answered(prompt: Prompt, completion: str) -> Turns:
    """A prompt and its completion as a conversation."""
    return [*as_conversation(prompt), {"role": ASSISTANT, "content": completion}]


def common_prefix(first: Sequence[Any], second: Sequence[Any]) -> int:
    """How many leading items two sequences share."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def render(tokenizer: Any, turns: Turns, *, ask: bool = False) -> list[int]:
    """A conversation's ids. Raises ModelError where the template refuses it."""
    try:
        return list(tokenizer.apply_chat_template(turns, add_generation_prompt=ask, return_dict=True)["input_ids"])
    except TEMPLATE_ERRORS as error:
        raise _refusal(turns, error) from None


def render_text(tokenizer: Any, turns: Turns, *, ask: bool = False) -> str:
    """A conversation as the template writes it. Raises ModelError where the template refuses it."""
    try:
        text: str = tokenizer.apply_chat_template(turns, add_generation_prompt=ask, tokenize=False)
    except TEMPLATE_ERRORS as error:
        raise _refusal(turns, error) from None
    return text


def _refusal(turns: Turns, error: Exception) -> ModelError:
    if isinstance(
        error, TemplateSyntaxError | ValueError
    ):  # transformers raises ValueError where there is no template to choose
        return ModelError("template_broken", why=(str(error).strip().splitlines() or [""])[0][:200])
    roles = ", ".join(message["role"] for message in turns)
    return ModelError("template_refuses", roles=roles, why=str(error)[:200])


def _check_writes(tokenizer: Any) -> None:
    """Raise ModelError where the template writes neither what is asked nor what is answered, or only one of them."""
    text = render_text(tokenizer, answered(_QUESTION, _ANSWER)).lower()
    if missing := [content for content in (_QUESTION, _ANSWER) if content not in text]:
        raise ModelError(
            "template_leaves_out", roles=", ".join(USER if each == _QUESTION else ASSISTANT for each in missing)
        )


def _rewritten(tokenizer: Any, turns: Turns, asked: Sequence[int], begin: int) -> bool:
    """Whether a finished conversation has other words before its answer than ``asked``, with which it shares ``begin`` ids.

    The header of the answer may differ (thinking templates open one that finished conversations do not have): what stands before may not.
    """
    if begin >= len(asked):
        return False
    return begin < common_prefix(render(tokenizer, turns), asked) - 1


def _rewrites(tokenizer: Any) -> bool:
    """Whether the template does so with system text or with earlier turns."""
    system, question = {"role": SYSTEM, "content": "praefatio"}, {"role": USER, "content": _QUESTION}
    earlier = answered("prior", "dictum")
    for turns in ([system, question], [*earlier, question], [system, *earlier, question]):
        try:
            asked, whole = render(tokenizer, turns, ask=True), render(tokenizer, answered(turns, _ANSWER))
            if _rewritten(tokenizer, turns, asked, common_prefix(asked, whole)):
                return True
        except ModelError:  # roles that it refuses
            continue
    return False


def _end_of_turn(tokenizer: Any, known: Collection[int]) -> tuple[int | None, int]:
    """The first token after an assistant's content that can end a turn, and how many tokens stand behind it."""
    turns = answered(_QUESTION, _ANSWER)
    tail = render_text(tokenizer, turns).rpartition(_ANSWER)[2]
    added = {number for number, token in tokenizer.added_tokens_decoder.items() if str(token.content).strip()}
    ids = tokenizer(tail, add_special_tokens=False)["input_ids"] if tail else []
    place = next((at for at, token in enumerate(ids) if token in known or token in added), None)
    if place is None:
        return None, 0
    trailing = len(ids) - 1 - place
    whole = render(tokenizer, turns)
    return (ids[place], trailing) if whole[len(whole) - 1 - trailing] == ids[place] else (ids[place], 0)


def _opened(tokenizer: Any) -> Opened:
    """What stands in the generation prompt beyond the header that an assistant's turn has in the middle of a conversation."""
    question = [{"role": USER, "content": _QUESTION}]
    before, asked = render_text(tokenizer, question), render_text(tokenizer, question, ask=True)
    prompt = asked[common_prefix(before, asked) :]
    finished = render_text(tokenizer, answered(_QUESTION, _ANSWER))
    try:
        middle = render_text(tokenizer, [*answered(_QUESTION, _ANSWER), *question])
    except ModelError:  # a template for one question only
        middle = finished
    header = middle.partition(_ANSWER)[0][common_prefix(before, middle) :]
    opened = prompt[common_prefix(header, prompt) :]
    if not opened.strip():
        return Opened()
    ids = tokenizer(opened, add_special_tokens=False)["input_ids"]
    return Opened(tokenizer.decode(ids, skip_special_tokens=True), finished.startswith(asked))
