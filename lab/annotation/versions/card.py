"""The card of an exported version, ``README.md``: what it is, how it was made, how far people agreed, what was left out.

Every number in it comes from the version itself. In English, as the Hub's cards are; the configuration at its head is the Hub's.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from lab.annotation.quality import Quality
from lab.annotation.versions.freeze import Frozen, Version
from lab.core.agreement import Measure
from lab.core.derivation import EditFate

HEAD = """---
configs:
- config_name: default
  data_files: preferences.parquet
- config_name: judgements
  data_files: judgements.jsonl
- config_name: pairs
  data_files: pairs.jsonl
tags:
- preference
- dpo
- reward-model
- trl
---
"""

COLUMNS = """| column | meaning |
|---|---|
| `prompt`, `chosen`, `rejected` | trl's form: all text, or all messages where any prompt is a conversation |
| `pair_id` | of the pair in `pairs.jsonl`; it follows from the texts |
| `annotators`, `n_votes` | who voted, by an id that names nobody, and how many |
| `agreement` | the share of the votes that chose the chosen one |
| `strength` | the mean strength (1–3) that those gave who gave any |
| `source_chosen`, `source_rejected` | where the responses came from; hidden until a pair was judged |
| `edited_by` | whose rewriting the chosen text is, where edits are used |
| `dataset_version` | the id of this version |
"""


OWN = "| {names} | the file's own, as they were imported beside each pair |\n"


ADJUDICATED = "| `adjudicated_by` | who decided the pair, by id, where somebody did; such a word is no vote |\n"


EDITS = {
    EditFate.USED: "stand as the chosen text",
    EditFate.NOT_BY_RULE: "are left out: the rule takes responses as they were written",
    EditFate.ANOTHER: "are left out: another annotator's edit of the same response is used",
    EditFate.NOT_CHOSEN: "are left out: their pairs give no preference, or prefer the other response",
}


def _wanted(collection: Frozen) -> str:
    wanted = collection.settings.wanted
    return "was a judgement by everyone" if wanted is None else f"were {wanted} judgement(s)"


def card(version: Version, collection: Frozen, quality: Quality, edits: Mapping[EditFate, int]) -> str:
    """The text of the card."""
    rule = version.rule
    left_out = "".join(
        f"| {why.value.replace('_', ' ')} | {count} |\n" for why, count in sorted(version.counts.items())
    )
    least = f"at least {rule.least_votes} vote{'s' if rule.least_votes > 1 else ''} a pair"
    share = f"at least {100 * rule.least_agreement:g} % of them for the chosen response"
    blind = (
        "People saw two responses side by side, without knowing where they came from; which stood on the left was drawn anew for "
        f"each person and pair. Wanted {_wanted(collection)} of each pair.\n"
    )
    made = (
        f"A preference is what more than half of a pair's votes say: {least}, {share}. Skips are no votes, and judgements made after "
        f"the sources were shown ({quality.revealed}) are {'votes here' if rule.use_revealed else 'none either'}. {_adjudicated(version, quality)} "
        f"{_edited(version, edits)} "
        f"Pairs with a known answer are {'' if version.with_gold else 'not '}among them.\n"
    )
    agreed = (
        "Of blind judgements only, without pairs that have a known answer; the last figure counts these too.\n\n"
        "| measure | value |\n|---|---|\n"
        f"| judgements (annotators) | {quality.judgements} ({len(quality.annotators)}) |\n"
        f"| raw agreement | {_value(quality.raw)} |\n| Krippendorff's α, nominal | {_value(quality.alpha)} |\n"
        f"| chosen response stood on the left | {_value(quality.left_rate)} |\n"
    )
    parts = [
        HEAD,
        f"# {_line(version.name)}\n",
        f"{version.preferences} preferences that people gave, from the collection “{_line(collection.name)}”.\n",
        f"Version `{version.id}`, content `{version.content_hash}`.\n",
        "## How it was made\n",
        blind,
        made,
        "## How far people agreed\n",
        agreed,
        "## Left out\n",
        f"| reason | pairs |\n|---|---|\n{left_out}" if left_out else "No pair was left out.\n",
        "## Columns\n",
        COLUMNS + (ADJUDICATED if quality.adjudicated and rule.use_adjudications else "") + _own(collection),
        "`judgements.jsonl` holds every event behind it, undone ones too; `pairs.jsonl` all pairs, also those left out.\n",
    ]
    return "\n".join(parts)


def _own(collection: Frozen) -> str:
    """The line of the columns that came with the pairs, where there are any."""
    names = dict.fromkeys(name for pair in collection.pairs for name in pair.own)
    return OWN.format(names=", ".join(_column(name) for name in names)) if names else ""


def _edited(version: Version, edits: Mapping[EditFate, int]) -> str:
    """Whether edits are used, and what became of those that there are."""
    used = f"Edits are {'used' if version.rule.use_edits else 'not used'}"
    fates = "; ".join(f"{edits[fate]} edited response(s) {words}" for fate, words in EDITS.items() if fate in edits)
    return f"{used}: {fates}." if fates else f"{used}; nobody edited a response."


def _adjudicated(version: Version, quality: Quality) -> str:
    """Whether the owner's word decided pairs of this version."""
    if not version.rule.use_adjudications:
        return f"The owner's decisions on pairs ({quality.adjudicated}) are not used."
    if not quality.adjudicated:
        return "The owner decided no pair."
    sentence = f"The owner, who had seen the votes, decided {quality.adjudicated} pair(s)"
    return f"{sentence}: a decision settles its pair, whatever the votes say, and is no vote."


def _value(measure: Measure) -> str:
    if measure.value is None:
        return f"undefined: {measure.why.value.replace('_', ' ')}" if measure.why else "undefined"
    return f"{measure.value:.3f} (n = {measure.count})"


def _line(name: str) -> str:
    """A name in Markdown, with nothing in it that Markdown or HTML reads."""
    escaped = html.escape(name, quote=False)
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]#|!~" else letter for letter in escaped)


def _column(name: str) -> str:
    """The name of a column of somebody's file in a table: as code, where it can be."""
    return f"`{name}`" if re.fullmatch(r"[\w .-]+", name) else _line(" ".join(name.split()))
