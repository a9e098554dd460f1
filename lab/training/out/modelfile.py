"""Ollama's ``Modelfile``: where the weights lie, the chat template in Go's form, where an answer ends.

The template is made by rendering the model's own with marked messages and reading what stands around each. It is then put together
again for a conversation of several turns; where that differs from the model's own, Go's form cannot say it, and none is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.data.turns import ASSISTANT, SYSTEM, USER, Turns
from lab.errors import ModelError
from lab.training.models.tokens import Tokens, render_text

CHECKED = ((USER,), (USER, ASSISTANT, USER), (SYSTEM, USER, ASSISTANT, USER))
"""Conversations that must come out as the model's own template writes them."""


@dataclass(frozen=True)
class Pieces:
    """What a chat template writes: before everything where no system message leads, around each role's content, and to ask."""

    head: str
    around: dict[str, tuple[str, str]]
    asking: str
    always: bool
    """Whether the head is written before a system message too."""

    def conversation(self, turns: Turns) -> str:
        """A conversation with the generation prompt, as the Go template writes it."""
        head = self.head if self.always or turns[0]["role"] != SYSTEM else ""
        said = [f"{self.around[turn['role']][0]}{turn['content']}{self.around[turn['role']][1]}" for turn in turns]
        return head + "".join(said) + self.asking

    def as_go(self) -> str:
        """The template for Ollama."""
        head = self.head
        if not self.always:
            head = f'{{{{ if ne (index .Messages 0).Role "{SYSTEM}" }}}}{head}{{{{ end }}}}'
        cases = [
            f'{{{{ {"else if" if number else "if"} eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{after}'
            for number, (role, (before, after)) in enumerate(self.around.items())
        ]
        return f"{head}{{{{ range .Messages }}}}{''.join(cases)}{{{{ end }}}}{{{{ end }}}}{self.asking}"


def modelfile(source: Sequence[str], tokens: Tokens) -> str:
    """The file's text. ``source`` are its first lines: ``FROM``, and ``ADAPTER`` for an adapter on a base."""
    ends = dict.fromkeys(tokens.tokenizer.convert_ids_to_tokens(list(tokens.ends)))
    stops = [f"PARAMETER stop {_quoted(end)}" for end in ends if end]
    pieces = template_pieces(tokens)
    template = f'TEMPLATE """{pieces.as_go()}"""' if pieces else "# The chat template is the one in the model's files."
    return "\n".join([*source, template, *stops]) + "\n"


def template_pieces(tokens: Tokens) -> Pieces | None:
    """The pieces of a chat template; None where it is more than pieces around messages."""
    try:
        pieces = _read(tokens)
        fits = pieces is not None and all(_comes_out(pieces, tokens, roles) for roles in CHECKED)
    except ModelError:
        return None
    return pieces if fits else None


def _read(tokens: Tokens) -> Pieces | None:
    one, asked = _rendered(tokens, (USER,)), _rendered(tokens, (USER,), ask=True)
    gaps = _gaps(_rendered(tokens, (USER, ASSISTANT, USER, ASSISTANT)), 4)
    after_user = _gaps(one, 1)[-1]
    if not asked.startswith(one) or not gaps[1].startswith(after_user) or not gaps[2].startswith(gaps[4]):
        return None
    before_user = gaps[2].removeprefix(gaps[4])
    around = {USER: (before_user, after_user), ASSISTANT: (gaps[1].removeprefix(after_user), gaps[4])}
    head, always = gaps[0].removesuffix(before_user), True
    try:
        led = _gaps(_rendered(tokens, (SYSTEM, USER)), 2)
    except ModelError:  # no system role
        return Pieces(head, around, asked.removeprefix(one), True)
    always = led[0].startswith(head)
    around[SYSTEM] = (led[0].removeprefix(head) if always else led[0], led[1].removesuffix(before_user))
    return Pieces(head, around, asked.removeprefix(one), always)


def _comes_out(pieces: Pieces, tokens: Tokens, roles: Sequence[str]) -> bool:
    if any(role not in pieces.around for role in roles):
        return True  # a role that the template refuses
    text = _rendered(tokens, roles, ask=True)
    return pieces.conversation(_turns(roles)) == text and '"""' not in text and "{{" not in text


def _rendered(tokens: Tokens, roles: Sequence[str], *, ask: bool = False) -> str:
    return render_text(tokens.tokenizer, _turns(roles), ask=ask)


def _turns(roles: Sequence[str]) -> Turns:
    return [{"role": role, "content": _mark(number)} for number, role in enumerate(roles)]


def _mark(number: int) -> str:
    return f"§{number}§"


def _gaps(text: str, count: int) -> list[str]:
    """What stands before, between and after ``count`` marked messages. Raises ModelError where one is not written as it is."""
    gaps = []
    for number in range(count):
        before, found, text = text.partition(_mark(number))
        if not found:
            raise ModelError("template_refuses", roles=str(count), why="a message is changed")
        gaps.append(before)
    return [*gaps, text]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
