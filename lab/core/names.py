"""Checks people's names, and tells which names look alike. Not here: who has which name (``lab/store/users.py``).

Names are shown beside judgements and in the owner's tables. So a name has only visible characters: letters, digits and a few signs, no
control or direction characters, and no mixture of alphabets that look the same.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache

from lab.errors import InputError

LONGEST_NAME = 40
SIGNS = frozenset(" -_.'’·〇")
SHORTEST_MARK = 4
STACKED = 2
"""Combining marks that one letter may carry; more would cover the neighbouring lines."""
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {chr(code) for code in range(0x180B, 0x1810)}
"""Letters and marks by their category that show nothing; the variation selectors are refused beside them."""
TOGETHER = frozenset({"LATIN", "CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
"""Scripts that people mix in one name, and that do not look alike."""

CYRILLIC = "аa вb еe ёe ѐe ѕs іl їl јj кk мm нh оo рp ԛq сc тt уy ѵv ԝw хx һh ԁd ӏl"
GREEK = "αa βb εe ζz ηh ιl κk μm νn οo ρp τt υy χx ϲc"  # as their capitals look
LATIN = "0o 1l il ıl ɡg ɑa"
LOOKALIKES = {ord(pair[0]): pair[1] for pair in f"{CYRILLIC} {GREEK} {LATIN}".split()}
"""Small letters that are drawn alike. Unicode's confusables.txt has thousands; these are the ones in alphabets of names."""


def clean_name(given: str) -> str:
    """The name as it is stored and shown: composed, with single spaces. Raises InputError where it is no name."""
    name = " ".join(unicodedata.normalize("NFKC", given).split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InputError("person_name_length", most=LONGEST_NAME)
    stacked = 0
    for letter in name:
        stacked = stacked + 1 if unicodedata.category(letter)[0] == "M" else 0
        if not _may_stand(letter) or stacked > STACKED:
            raise InputError("person_name_letter", letter=f"U+{ord(letter):04X}")
    if not any(letter.isalnum() for letter in name):
        raise InputError("person_name_length", most=LONGEST_NAME)
    scripts = {_script(letter) for letter in name if letter.isalpha()}
    if len(scripts) > 1 and not scripts <= TOGETHER:
        raise InputError("person_name_scripts", scripts=", ".join(sorted(script.title() for script in scripts)))
    return name


@lru_cache(maxsize=4096)
def likeness(name: str) -> str:
    """A key that is the same for two names that a reader takes for each other: up to case, width, signs and lookalikes."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    digits = "".join(str(unicodedata.decimal(letter, letter)) for letter in folded)
    return "".join(c for c in digits.translate(LOOKALIKES) if c.isalnum() or unicodedata.category(c)[0] == "M")


def told_apart(names: Mapping[str, str]) -> dict[str, str]:
    """Names by id as they are shown together: those that look alike get the end of their id, as much of it as tells them apart."""
    alike: dict[str, list[str]] = defaultdict(list)
    for person, name in names.items():
        alike[likeness(name)].append(person)
    return {
        person: f"{name} ({_mark(person, alike[likeness(name)])})" if len(alike[likeness(name)]) > 1 else name
        for person, name in names.items()
    }


def _mark(person: str, others: Sequence[str]) -> str:
    """The end of an id, at least ``SHORTEST_MARK`` letters, that no other one ends with."""
    for length in range(SHORTEST_MARK, len(person)):
        if sum(other.endswith(person[-length:]) for other in others) == 1:
            return f"…{person[-length:]}"
    return person


def _may_stand(letter: str) -> bool:
    if letter in SIGNS:
        return True
    if letter in INVISIBLE or 0xFE00 <= ord(letter) <= 0xFE0F or ord(letter) >= 0xE0000:
        return False
    return unicodedata.category(letter) in ("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd")


def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").split(" ")[0].split("-")[0]
