"""Read Parquet, with pyarrow, which is imported only where a file is read. Lists and structs become lists and dicts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lab.data.left_out import LeftOut
from lab.data.source import MOST_UNPACKED, Source
from lab.errors import DatasetError

SUFFIXES = (".parquet",)
BATCH = 256
MOST_ROWS = 5_000_000
EXACT = 2.0**53
"""Below it a float holds every whole number."""


def records(source: Source) -> Iterator[tuple[int, dict[str, Any]] | LeftOut]:
    """``(place, row)`` for each row, from 1.

    Raises DatasetError: no Parquet or a broken one, one that unpacks to too much, no rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = source.path
    with source.seekable() as content:
        if content.read(1):
            yield from _records(path, content, pa, pq)


def _records(path: Path, content: IO[bytes], pa: Any, pq: Any) -> Iterator[tuple[int, dict[str, Any]] | LeftOut]:
    try:
        # Arrow would read ahead in threads of its own. One that holds the content while Python ends aborts the process.
        file = pq.ParquetFile(content, pre_buffer=False)
        rows, unpacked, place = file.metadata.num_rows, 0, 0
        if rows > MOST_ROWS:
            raise _too_large(path)
        if rows == 0:
            raise DatasetError("dataset_only_header", path=path, found=", ".join(file.schema_arrow.names))
        whole = _whole_numbers(file, pa)
        for batch in file.iter_batches(batch_size=BATCH, use_threads=False):
            unpacked += batch.nbytes
            if unpacked > MOST_UNPACKED:
                raise _too_large(path)
            for row in batch.to_pylist():
                place += 1
                plain = {name: _plain(value) for name, value in row.items()}
                yield (
                    place,
                    plain | {name: int(plain[name]) for name in whole if plain[name] == plain[name] is not None},
                )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DatasetError("dataset_broken_parquet", path=path, why=str(error).splitlines()[0][:200]) from error


def _whole_numbers(file: Any, pa: Any) -> list[str]:
    """The columns of whole numbers that pandas made floats of, for some are missing: 5 must not be read as 5.0."""
    import pyarrow.compute as pc

    names = []
    for field in file.schema_arrow:
        if not pa.types.is_float64(field.type) or file.schema_arrow.pandas_metadata is None:
            continue
        values = file.read(columns=[field.name], use_threads=False).column(0)
        missing = pc.fill_null(pc.is_null(values, nan_is_null=True), True)
        there = values.filter(pc.invert(missing))
        whole = pc.and_(pc.equal(pc.floor(there), there), pc.less(pc.abs(there), EXACT))
        if len(there) and pc.any(missing).as_py() and pc.all(whole).as_py():
            names.append(field.name)
    return names


def _too_large(path: Path) -> DatasetError:
    return DatasetError("dataset_unpacks", path=path, rows=f"{MOST_ROWS:,}", gigabytes=MOST_UNPACKED // 2**30)


def _plain(value: Any) -> Any:
    """A cell as JSON could hold it: dates and decimals as they are written, bytes as text, or where they
    are none (a picture) how many there are; a map as an object."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"bytes": len(value)}
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) and len(item) == 2 for item in value):  # pyarrow's map
            return {str(name): _plain(item) for name, item in value}
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return float(value) if type(value).__name__ == "float16" else str(value)
