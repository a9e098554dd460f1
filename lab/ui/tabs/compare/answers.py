"""The cards of *Same question, every algorithm*: what each model answered, its reward by rule, and what differs from SFT's answer.

Not here: who is asked (``lab/runs/same_question.py``).
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from lab.annotation.strengths import Strength
from lab.compare.phrases import figure
from lab.rules import RULES
from lab.runs.same_question import COMPLETIONS, Answers
from lab.ui.notice import quiet
from lab.ui.tabs.compare.looks import look_of
from lab.ui.tabs.compare.shown import swatch, text
from lab.words import say, word

EQUALS = "equals_answer"
PARTS = re.compile(r"\s+|[A-Za-z_]+|\d+(?:\.\d+)?|.", re.DOTALL)
DOTS = ("●", "○")


def heading(language: str) -> str:
    """The heading of the part."""
    side = say("compare.question_side", language)
    legend = say("compare.legend", language)
    return f'<h3>{text(say("compare.question", language))} <small>{text(side)}</small></h3><p class="quiet legend">{legend_html(legend)}</p>'


def legend_html(legend: str) -> str:
    """The legend with its two marks: ``[new]`` and ``[-gone-]`` stand for what they look like."""
    safe = html.escape(legend)
    return re.sub(r"\[-(.+?)-\]", r"<del>\1</del>", re.sub(r"\[\+(.+?)\+\]", r"<ins>\1</ins>", safe))


def cards(found: Sequence[Answers], number: int, language: str) -> str:
    """One card a model. The first SFT answer is what the others are compared with; without one, the first model's."""
    if not found:
        return ""
    baseline = {each.answerer.algorithm: each for each in reversed(found) if each.lines}.get("sft")
    variants: dict[str, int] = {}
    shown = []
    for each in found:
        variant = variants.get(each.answerer.algorithm, 0)
        variants[each.answerer.algorithm] = variant + 1
        shown.append(_card(each, baseline, number, variant, language))
    return f'<div class="answers" tabindex="0">{"".join(shown)}</div>'


def _card(each: Answers, baseline: Answers | None, number: int, variant: int, language: str) -> str:
    who = each.answerer
    mark = swatch(look_of(who.algorithm, variant, dark=False)).replace(
        'class="swatch"', f'class="swatch c-{who.algorithm}"'
    )
    step = say("compare.at_step", language, step=who.step) if who.step else say("compare.not_trained", language)
    if who.wanted is not None:
        step = say("compare.nearest_step", language, step=who.step, wanted=who.wanted)
    top = f"<header>{mark}<b>{text(who.label)}</b><span>{text(step if who.step is not None else '')}</span></header>"
    return f'<article class="answer">{top}{_inside(each, baseline, number, language)}</article>'


def _inside(each: Answers, baseline: Answers | None, number: int, language: str) -> str:
    if each.answerer.why:
        return quiet(say(each.answerer.why, language))
    if each.job is None:
        return quiet(say("compare.not_asked", language))
    if number >= len(each.lines):
        if each.job.state.ended and each.job.error:
            return f'<p class="problem">{text(word(each.job.error, language))}</p>'
        return f'<p class="quiet" role="status">{text(say("compare.asking", language, done=len(each.lines), total=COMPLETIONS))}</p>'
    line, reward = each.lines[number], each.rewards[number]
    against = _against(reward.value, each, baseline, number, language)
    head = f'<p class="reward"><b>{figure(reward.value)}</b> {text(say("compare.reward", language))}<span>{text(against)}</span></p>'
    rules = "".join(
        f'<li><i class="rule-{place % 8}"></i>{text(_rule(name, language))}<span>{"✕" if score.error else figure(score.value)}</span></li>'
        for place, (name, score) in enumerate(reward.scores.items())
    )
    before = (
        str(baseline.lines[number]["text"])
        if baseline and baseline is not each and number < len(baseline.lines)
        else None
    )
    body = difference(before, str(line["text"])) if before is not None else html.escape(str(line["text"]))
    foot = f"<footer><span>{_right(each, language)}</span><span>{text(say('compare.tokens', language, n=line['tokens']))}</span></footer>"
    return f'{head}<ul class="rules">{rules}</ul><div class="said" tabindex="0">{body or "&nbsp;"}</div>{foot}'


def difference(before: str, after: str) -> str:
    """``after`` as HTML, what is new underlined and what is gone struck out, by words, numbers and signs."""
    old, new = PARTS.findall(before), PARTS.findall(after)
    parts = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, came = html.escape("".join(old[a:b])), html.escape("".join(new[c:d]))
        if kind == "equal":
            parts.append(came)
            continue
        parts += [f"<del>{gone}</del>"] if gone else []
        parts += [f"<ins>{came}</ins>"] if came else []
    return "".join(parts)


def _against(value: float, each: Answers, baseline: Answers | None, number: int, language: str) -> str:
    if baseline is None or number >= len(baseline.rewards):
        return ""
    if baseline is each:
        return say("compare.baseline", language)
    gap = value - baseline.rewards[number].value
    return say("compare.to_sft", language, gap=("+" if gap > 0 else "") + figure(gap))


def _right(each: Answers, language: str) -> str:
    """How many of the answers equal the known one, as dots; nothing where no answer is known."""
    known = [reward.scores[EQUALS] for reward in each.rewards if EQUALS in reward.scores]
    if not known or each.lines[0].get("answer") is None:
        return ""
    right = sum(score.error is None and score.value == 1 for score in known)
    dots = DOTS[0] * right + DOTS[1] * (len(known) - right)
    told = say("compare.right", language, right=right, of=len(known))
    return f'<i class="dots" aria-hidden="true">{dots}</i> {text(told)}'


def _rule(name: str, language: str) -> str:
    return str(getattr(RULES[name], f"label_{language}")) if name in RULES else name


def votes(found: Sequence[Strength], name: str, language: str) -> str:
    """Bradley–Terry strengths of blind votes, one line a source with its interval drawn to scale."""
    if not found:
        return quiet(say("compare.no_votes", language, name=name))
    reach = max(max(abs(each.low), abs(each.high)) for each in found) or 1.0
    rows = "".join(_strength(each, reach, language) for each in found)
    told = say("compare.votes_note", language, name=name)
    return f'<section class="votes-card"><h4>{text(say("compare.votes", language))}</h4>{rows}{quiet(told)}</section>'


def _strength(each: Strength, reach: float, language: str) -> str:
    def at(value: float) -> str:
        return f"{50 + 48 * value / reach:.1f}"

    middle, low, high = at(each.value), at(each.low), at(each.high)
    line = (
        '<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<line class="half" x1="50" x2="50" y1="0" y2="10"/>'
        f'<line class="from-to" x1="{low}" x2="{high}" y1="5" y2="5"/>'
        f'<line class="at" x1="{middle}" x2="{middle}" y1="1" y2="9"/></svg>'
    )
    told = say("compare.strength", language, wins=each.wins, of=each.decided)
    ends = f"{figure(each.value)} ({figure(each.low)} … {figure(each.high)})"
    return f'<div class="strength"><b>{text(each.source)}</b>{line}<span>{ends}</span><span class="quiet">{text(told)}</span></div>'
