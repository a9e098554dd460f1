"""Annotation as the page, the routes and the command line call it: collections, judging, quality, frozen versions.

Each method opens a transaction and calls the module of its subject (``pairs``, ``judgements``, ``queue``, ``quality``, ``versions``);
nothing is decided here. ``imports`` has the methods that take pairs in. The server decides who may call what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, select

from lab.annotation import judgements
from lab.annotation import queue as pair_queue
from lab.annotation.imports import PairImports
from lab.annotation.pairs import (
    Collection,
    CollectionSettings,
    change_collection,
    hide_collection,
    new_collection,
    read_collection,
    read_collections,
    read_pairs,
    settings_from,
)
from lab.annotation.quality import Quality, quality
from lab.annotation.tables import (
    annotators_table,
    collections_table,
    judgements_table,
    pairs_table,
    showings_table,
)
from lab.annotation.versions import export as exports
from lab.annotation.versions import freeze as versions
from lab.annotation.versions import importing as imports
from lab.annotation.versions.freeze import Version
from lab.annotation.versions.importing import TakenIn
from lab.annotation.versions.upload import uploaded
from lab.core.access import User
from lab.core.agreement import votes
from lab.core.comparison import Comparison, compare
from lab.core.derivation import Derived, EditFate
from lab.core.preferences import Derivation, Pair
from lab.errors import StateError


class Annotation(PairImports):
    """All of annotation. Safe for many threads; the store's one writer writes the judgements."""

    # ---- collections

    def collections(self) -> list[Collection]:
        """All of them, the newest first."""
        with self.store.reading() as connection:
            return read_collections(connection)

    def pairs(self, collection_id: str) -> list[Pair]:
        """Every pair of a collection, in the order of their ids."""
        with self.store.reading() as connection:
            read_collection(connection, collection_id)
            return read_pairs(connection, collection_id)

    def create(self, name: str, settings: CollectionSettings | None = None) -> Collection:
        """An empty collection."""
        made = self.store.writing(lambda connection: new_collection(connection, name, settings or self.usual))
        return self.collection(made)

    def change(self, collection_id: str, *, name: str | None = None, **settings: Any) -> Collection:
        """Other settings (``overlap``, ``everyone``, ``gold_rate``, ``strength``, ``reason``), another name. Sides and order stay."""
        now = self.collection(collection_id)
        then = settings_from(now.settings.model_dump() | settings)
        self.store.writing(lambda connection: change_collection(connection, now.id, name or now.name, then))
        return self.collection(collection_id)

    def hide(self, collection_id: str, hidden: bool = True) -> Collection:
        """Hide a collection from everybody but the owner, or show it again."""
        self.store.writing(lambda connection: hide_collection(connection, collection_id, hidden))
        return self.collection(collection_id)

    def delete(self, collection_id: str) -> None:
        """Delete a collection without judgements. Raises StateError where it has some: judgements are not thrown away."""
        collection = self.collection(collection_id)

        def work(connection: Any) -> None:
            if connection.execute(select(exists().where(judgements_table.c.collection == collection.id))).scalar():
                raise StateError("collection_judged", collection=collection.name)
            for table in (showings_table, annotators_table, pairs_table):
                connection.execute(delete(table).where(table.c.collection == collection.id))
            connection.execute(delete(collections_table).where(collections_table.c.id == collection.id))

        self.store.writing(work)

    # ---- judging

    def queue(self, annotator: User) -> list[dict[str, Any]]:
        """Every collection, with this person's progress in it."""
        with self.store.reading() as connection:
            return pair_queue.queue(connection, annotator)

    def hand_out(
        self, annotator: User, collection_id: str, wanted: int, holding: Sequence[str] = ()
    ) -> Future[dict[str, Any]]:
        """Claim pairs for somebody (``pair_queue.hand_out``)."""
        return self.store.writer.submit(
            lambda connection: pair_queue.hand_out(connection, annotator, collection_id, wanted, holding)
        )

    def judge(self, annotator: User, submission: judgements.Submission) -> Future[dict[str, Any]]:
        """Store a judgement (``judgements.judge``); the answer comes after the commit."""
        return self.store.writer.submit(lambda connection: judgements.judge(connection, annotator, submission))

    def undo(self, annotator: User, undo_id: UUID, judgement_id: UUID) -> Future[dict[str, Any]]:
        """Take a judgement back (``pair_queue.undo``); the pair comes with it."""
        return self.store.writer.submit(
            lambda connection: pair_queue.undo(connection, annotator, undo_id, judgement_id)
        )

    def take_back_all(self, annotator: User, collection_id: str) -> int:
        """Take back everything that somebody judged in a collection (``judgements.take_back_all``); how many there were."""
        return self.store.writing(
            lambda connection: judgements.take_back_all(
                connection, read_collection(connection, collection_id).id, annotator
            )
        )

    # ---- quality

    def quality(self, collection_id: str) -> Quality:
        """How far annotators agree, and how each of them judges."""
        with self.store.reading() as connection:
            return quality(connection, read_collection(connection, collection_id).id)

    def compare_sources(self, collection_id: str) -> list[Comparison]:
        """Which of two sources annotators prefer, for every two sources that share a pair, with an interval."""
        with self.store.reading() as connection:
            current = judgements.current_judgements(connection, read_collection(connection, collection_id).id)
            blind_votes = votes(judgement for judgement in current if not judgement.revealed)
            return compare(read_pairs(connection, collection_id), blind_votes)

    # ---- versions

    def derived(self, collection_id: str, rule: Derivation, *, with_gold: bool = False) -> Derived:
        """The preferences that freezing would give now."""
        with self.store.reading() as connection:
            return versions.derived(connection, read_collection(connection, collection_id), rule, with_gold)

    def freeze(
        self, collection_id: str, rule: Derivation | None = None, *, name: str = "", with_gold: bool = False
    ) -> Version:
        """Freeze the present preferences as a version. The same judgements and the same rule give the same version."""
        self.store.require_space()
        version = versions.freeze(self.store, self.collection(collection_id), rule or Derivation(), name, with_gold)
        exports.version_file(self.store, version.id)
        return version

    def versions(self, collection_id: str | None = None) -> list[Version]:
        """All versions, or those of a collection, the newest first."""
        with self.store.reading() as connection:
            return versions.read_versions(connection, collection_id)

    def version(self, version_id: str) -> Version:
        """One. Raises StateError ``no_such_version``."""
        with self.store.reading() as connection:
            return versions.read_version(connection, version_id)

    def edits(self, version_id: str) -> Mapping[EditFate, int]:
        """What became of the edited responses of a version: how many of each fate."""
        with self.store.reading() as connection:
            return versions.edits_of(connection, versions.read_version(connection, version_id))

    def rows(self, version_id: str) -> list[dict[str, Any]]:
        """The preferences of a version as they are exported."""
        with self.store.reading() as connection:
            return versions.read_rows(connection, versions.read_version(connection, version_id).id)

    def export(self, version_id: str, folder: Path | str) -> Path:
        """Write a version, its pairs and its judgements into a folder that is empty or does not exist."""
        self.store.require_space()
        return exports.export(self.store, version_id, Path(folder))

    def import_export(self, folder: Path | str) -> TakenIn:
        """Import a folder that ``export`` wrote, here or in another lab, with its pairs, judgements and version unchanged."""
        return self._store_export(imports.read_export(Path(folder)))

    def preview_upload(self, files: Sequence[Path | str]) -> tuple[imports.Exported, list[tuple[Version, Collection]]]:
        """What an import of an export's files, or of one zip of them, would store; and the versions here with the same content.

        Raises InputError or DatasetError where a file cannot be used.
        """
        with uploaded([Path(path) for path in files]) as (folder, called):
            exported = imports.read_export(folder, called)
        return exported, imports.same_here(self.store, exported)

    def import_upload(self, files: Sequence[Path | str]) -> TakenIn:
        """Import the same files. Raises as ``preview_upload`` does, and then stores nothing."""
        with uploaded([Path(path) for path in files]) as (folder, called):
            exported = imports.read_export(folder, called)
        return self._store_export(exported)

    def push(self, version_id: str, repository: str, *, private: bool = True, token: str | None = None) -> str:
        """Send an export to the Hub as a dataset; its address there."""
        return exports.push(self.store, version_id, repository, private=private, token=token)

    def _store_export(self, exported: imports.Exported) -> TakenIn:
        self.store.require_space()
        outcome = imports.import_export(self.store, exported)
        exports.version_file(self.store, outcome.version.id)
        return outcome
