"""What people write on a run: tags and a note, in ``card.json`` of its folder. They change nothing in what it is or was trained on."""

from __future__ import annotations

from dataclasses import dataclass

from lab.errors import InputError
from lab.store.run_folder import RunFolder

CARD = "card.json"
MOST_TAGS, LONGEST_TAG, LONGEST_NOTE = 12, 30, 2000


@dataclass(frozen=True)
class Card:
    """The tags, in the order in which they were given, and the note."""

    tags: tuple[str, ...] = ()
    note: str = ""


def read_card(folder: RunFolder) -> Card:
    """The card of a run; an empty one where nobody has written on it."""
    stored = folder.card()
    if not isinstance(stored, dict):
        return Card()
    tags = stored.get("tags")
    return Card(tuple(map(str, tags)) if isinstance(tags, list) else (), str(stored.get("note") or ""))


def write_card(folder: RunFolder, tags: str, note: str) -> Card:
    """Write on a run; ``tags`` as typed, parted by spaces or commas. Raises InputError ``run_tags``, ``run_note``."""
    words = list(dict.fromkeys(part.strip("#") for part in tags.replace(",", " ").replace("，", " ").split()))
    words = [word for word in words if word]
    if len(words) > MOST_TAGS or any(len(word) > LONGEST_TAG or not word.isprintable() for word in words):
        raise InputError("run_tags", value=tags[:60], most=MOST_TAGS, longest=LONGEST_TAG)
    if len(note) > LONGEST_NOTE:
        raise InputError("run_note", count=len(note), most=LONGEST_NOTE)
    folder.write(CARD, {"tags": words, "note": note.strip()})
    return Card(tuple(words), note.strip())
