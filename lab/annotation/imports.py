"""Imports of pairs, as the page and the command line call them: into a new collection, or into one that exists.

``sources.py`` makes pairs of runs and jobs; ``lab/data/pair_rows.py`` reads the columns of a file.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.annotation import sources
from lab.annotation.pairs import Collection, CollectionSettings, add_pairs, made_of, new_collection, read_collection
from lab.annotation.pairs_file import PairsFile
from lab.annotation.sources import MOST_FROM_RUNS, Imported
from lab.core.preferences import Pair
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.pair_rows import FoundPairs, Known, find_pairs, rows_in_memory
from lab.data.recognition import Form
from lab.errors import DatasetError
from lab.store.runs import Store


class PairImports:
    """The ways in which pairs are imported."""

    def __init__(self, store: Store, usual: CollectionSettings | None = None) -> None:
        """``usual``: the settings of a new collection for which none are given."""
        self.store, self.usual = store, usual or CollectionSettings()

    def pairs_file(
        self,
        path: Path | str,
        *,
        columns: Mapping[str, str] | None = None,
        known: Known = Known.RESPONSES,
        votes: str = "",
        own: Sequence[str] = (),
        keep: bool = False,
    ) -> PairsFile:
        """A file to read while its progress is shown; with ``keep``, it can be stored afterwards (``take_file``). ``own`` names columns that are
        kept beside each pair; the file's own id of a pair and its ``category`` always are."""
        return PairsFile(Path(path), columns, known, votes, self.store.home if keep else None, tuple(own))

    def take_file(
        self, file: PairsFile, *, name: str = "", settings: CollectionSettings | None = None, into: str | None = None
    ) -> Imported:
        """Store a file that was read to its end and kept: all of it, or nothing if that fails."""
        self.store.require_space()
        wanted = self._seeded(settings, into)

        def work(connection: Any) -> tuple[str, int, list[LeftOut]]:
            target = into or new_collection(connection, name or file.path.stem, wanted)
            return target, *file.put(connection, target, wanted.seed or 0)

        target, taken, there = self.store.writing(work)
        report = sorted([*file.left_out, *there], key=lambda row: row.line)
        return Imported(self.collection(target), taken, report, file.count_of_votes)

    def import_rows(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        name: str = "",
        settings: CollectionSettings | None = None,
        into: str | None = None,
        known: Known = Known.RESPONSES,
    ) -> Imported:
        """Typed by hand: ``prompt, first, second`` (and ``first_source, second_source, gold``), or ``prompt, chosen, rejected``."""
        return self._take(find_pairs(rows_in_memory(rows), known=known), name, settings, into)

    def import_run(
        self,
        run_id: str,
        *,
        name: str = "",
        settings: CollectionSettings | None = None,
        into: str | None = None,
        per_group: int = 1,
        most: int = MOST_FROM_RUNS,
    ) -> Imported:
        """Two completions of each group of a run, the latest first."""
        settings = self._seeded(settings, into)
        pairs = sources.from_run(self.store, run_id, per_group=per_group, most=most, seed=settings.seed or 0)
        return self._take(_numbered(pairs), name or self.store.run(run_id).name, settings, into)

    def import_runs(
        self,
        run_id: str,
        other_id: str,
        *,
        name: str = "",
        settings: CollectionSettings | None = None,
        into: str | None = None,
        most: int = MOST_FROM_RUNS,
    ) -> Imported:
        """One completion of each of two runs for every prompt that both used; ``compare_sources`` says which run is better."""
        settings = self._seeded(settings, into)
        pairs = sources.from_two_runs(self.store, run_id, other_id, most=most, seed=settings.seed or 0)
        both = f"{self.store.run(run_id).name} · {self.store.run(other_id).name}"
        return self._take(_numbered(pairs), name or both[:120], settings, into)

    def import_pairs(self, pairs: Sequence[Pair], *, name: str, settings: CollectionSettings | None = None) -> Imported:
        """Pairs that were made already, into a new collection. Raises DatasetError where there are none."""
        return self._take(_numbered(pairs), name, settings, None)

    def import_jobs(
        self,
        job_id: str,
        other_id: str | None = None,
        *,
        name: str = "",
        settings: CollectionSettings | None = None,
        into: str | None = None,
        most: int = MOST_FROM_RUNS,
    ) -> Imported:
        """Completions of sampling jobs: two of one job for the same prompt, or one of each of two jobs.

        The same jobs make one new collection: a second call (from another window that waited for them) returns it unchanged.
        """
        settings = self._seeded(settings, into)
        pairs = sources.from_jobs(self.store, job_id, other_id, most=most, seed=settings.seed or 0)
        origin = " ".join(["jobs:" + job_id, *([other_id] if other_id is not None else [])])
        return self._take(_numbered(pairs), name or job_id, settings, into, origin)

    def collection(self, collection_id: str) -> Collection:
        """One. Raises StateError ``no_such_collection``."""
        with self.store.reading() as connection:
            return read_collection(connection, collection_id)

    def _seeded(self, settings: CollectionSettings | None, into: str | None) -> CollectionSettings:
        if into is not None:
            return self.collection(into).settings
        settings = settings or self.usual
        return settings if settings.seed is not None else settings.model_copy(update={"seed": secrets.randbelow(2**31)})

    def _take(
        self,
        new_pairs: FoundPairs,
        name: str,
        settings: CollectionSettings | None,
        into: str | None,
        origin: str | None = None,
    ) -> Imported:
        """Put pairs into a collection, or return the one that was made of ``origin``. Raises DatasetError where there are no pairs."""
        if not new_pairs.pairs:
            raise DatasetError("pairs_none_new", count=len(new_pairs.left_out))
        self.store.require_space()
        wanted = self._seeded(settings, into)

        def work(connection: Any) -> tuple[str, set[str] | None]:
            if into is None and origin is not None and (made := made_of(connection, origin)) is not None:
                return made, None
            target = into or new_collection(connection, name, wanted, origin)
            return target, add_pairs(connection, target, wanted.seed or 0, [pair for _, pair in new_pairs.pairs])

        target, added = self.store.writing(work)
        if added is None:
            collection = self.collection(target)
            return Imported(collection, collection.pairs + collection.gold, new_pairs.left_out)
        there = [LeftOut(line, WhyLeftOut.ALREADY_THERE) for line, pair in new_pairs.pairs if pair.id not in added]
        report = sorted([*new_pairs.left_out, *there], key=lambda row: row.line)
        return Imported(self.collection(target), len(added), report)


def _numbered(pairs: Sequence[Pair]) -> FoundPairs:
    return FoundPairs(Form.PAIRS, list(enumerate(pairs, 1)), [])
