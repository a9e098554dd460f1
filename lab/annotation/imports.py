"""Taking pairs in, as the page and the command line call it: into a new collection of that name, or into one that is there.

What the pairs of a run or of a job are is ``pairs_import.py``, what a file's columns mean ``lab/data/pair_rows.py``.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.annotation import sources as pairs_import
from lab.annotation.pairs import Collection, CollectionSettings, add_pairs, made_of, new_collection, read_collection
from lab.annotation.sources import MOST_FILE_BYTES, MOST_FROM_RUNS, Imported
from lab.core.preferences import Pair
from lab.data.forms import Form
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.pair_rows import FoundPairs, Known, find_pairs, rows_in_memory
from lab.data.rows import Rows, read_rows
from lab.errors import DatasetError
from lab.store.runs import Store

PREVIEWED = 5


@dataclass(frozen=True)
class Preview:
    """A file before it is imported."""

    columns: tuple[str, ...]
    """As the file calls them."""
    form: Form
    pairs: list[Pair]
    """The first ones, as they would be judged."""
    count: int
    left_out: list[LeftOut]


class PairImports:
    """The doors that pairs come in by."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def preview_file(
        self, path: Path | str, *, columns: Mapping[str, str] | None = None, known: Known = Known.RESPONSES
    ) -> Preview:
        """What an import would take, without taking it. Raises DatasetError as ``import_file`` does."""
        rows = self._read(path)
        found = find_pairs(rows, columns=columns, known=known)
        first = [pair for _, pair in found.pairs[:PREVIEWED]]
        return Preview(rows.columns, found.form, first, len(found.pairs), found.left_out)

    def columns_of(self, path: Path | str) -> tuple[str, ...]:
        """The columns of a file, for a mapping where its form is not known. Raises DatasetError where it cannot be read."""
        return self._read(path).columns

    def import_file(
        self,
        path: Path | str,
        *,
        name: str = "",
        settings: CollectionSettings | None = None,
        into: str | None = None,
        columns: Mapping[str, str] | None = None,
        known: Known = Known.RESPONSES,
    ) -> Imported:
        """The pairs of a file (JSONL, JSON, CSV, Parquet). ``known`` says what the chosen one of preferences is taken for.

        Raises DatasetError: a file that cannot be read, is larger than ``MOST_FILE_BYTES``, or holds no pair.
        """
        found = find_pairs(self._read(path), columns=columns, known=known)
        return self._take(found, name or Path(path).stem, settings, into)

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
        found = pairs_import.from_run(self.store, run_id, per_group=per_group, most=most, seed=settings.seed or 0)
        return self._take(_numbered(found), name or self.store.run(run_id).name, settings, into)

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
        """One completion of each of two runs at every prompt that both asked: which is better is ``compare_sources``."""
        settings = self._seeded(settings, into)
        found = pairs_import.from_two_runs(self.store, run_id, other_id, most=most, seed=settings.seed or 0)
        both = f"{self.store.run(run_id).name} · {self.store.run(other_id).name}"
        return self._take(_numbered(found), name or both[:120], settings, into)

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
        """What sampling jobs wrote: two completions of one job at the same prompt, or one of each of two.

        Jobs make one new collection: asked again (by another window that waited for them), it is that one, as it is.
        """
        settings = self._seeded(settings, into)
        found = pairs_import.from_jobs(self.store, job_id, other_id, most=most, seed=settings.seed or 0)
        origin = " ".join(["jobs:" + job_id, *([other_id] if other_id is not None else [])])
        return self._take(_numbered(found), name or job_id, settings, into, origin)

    def _read(self, path: Path | str) -> Rows:
        return read_rows(Path(path), most_bytes=MOST_FILE_BYTES)

    def _collection(self, collection_id: str) -> Collection:
        with self.store.reading() as connection:
            return read_collection(connection, collection_id)

    def _seeded(self, settings: CollectionSettings | None, into: str | None) -> CollectionSettings:
        if into is not None:
            return self._collection(into).settings
        settings = settings or CollectionSettings()
        return settings if settings.seed is not None else settings.model_copy(update={"seed": secrets.randbelow(2**31)})

    def _take(
        self,
        found: FoundPairs,
        name: str,
        settings: CollectionSettings | None,
        into: str | None,
        origin: str | None = None,
    ) -> Imported:
        """Put pairs into a collection, or find the one that was made of ``origin``. Raises DatasetError where there are none."""
        if not found.pairs:
            raise DatasetError("pairs_none_new", count=len(found.left_out))
        wanted = self._seeded(settings, into)

        def work(connection: Any) -> tuple[str, set[str] | None]:
            if into is None and origin is not None and (made := made_of(connection, origin)) is not None:
                return made, None
            target = into or new_collection(connection, name, wanted, origin)
            return target, add_pairs(connection, target, wanted.seed or 0, [pair for _, pair in found.pairs])

        target, added = self.store.writing(work)
        if added is None:
            collection = self._collection(target)
            return Imported(collection, collection.pairs + collection.gold, found.left_out)
        there = [LeftOut(line, WhyLeftOut.ALREADY_THERE) for line, pair in found.pairs if pair.id not in added]
        report = sorted([*found.left_out, *there], key=lambda row: row.line)
        return Imported(self._collection(target), len(added), report)


def _numbered(pairs: Sequence[Pair]) -> FoundPairs:
    return FoundPairs(Form.PAIRS, list(enumerate(pairs, 1)), [])
