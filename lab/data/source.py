"""A file that rows are read from, as a stream: opened safely, unpacked, decoded. What its bytes mean is the readers' (``rows.py``).

Only regular files are opened: a device, a pipe or a socket behind a name, or behind a link, is refused before it is read. ``.gz`` and
``.zst`` are unpacked on the way, under a limit for what comes out.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lab.core.notes import Note, note
from lab.data.encodings import HEAD, UTF8, encoding_of
from lab.errors import DatasetError

PACKED = (".gz", ".zst")
CHUNK = 2**20
MOST_UNPACKED = 4 * 2**30
"""A small file can unpack to any size: beyond this it is refused."""
OTHER_KINDS = {
    ".toml": "dataset_kind_toml",
    ".tar": "dataset_kind_backup",
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), "dataset_kind_sheet"),
    **dict.fromkeys((".zip", ".7z", ".rar", ".tgz"), "dataset_kind_archive"),
    **dict.fromkeys((".safetensors", ".gguf", ".bin", ".pt", ".pth"), "dataset_kind_model"),
}
"""Kinds of file that hold no rows, and that something else of the lab, or another program, reads."""


class Source:
    """One file: its kind by the suffix, its size, and its content from the start as often as it is asked."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path = path
        suffixes = [suffix.lower() for suffix in path.suffixes]
        self.packed = suffixes.pop() if suffixes and suffixes[-1] in PACKED else ""
        self.kind = suffixes[-1] if suffixes else ""
        self.most_bytes = most_bytes
        self.size = 0
        self.read = 0
        """Bytes of the file that were read in the present pass."""
        self.content_hash = ""
        self.encoding = ""
        """Of a text file, once it was looked at."""
        self.notes: tuple[Note, ...] = ()

    @property
    def share(self) -> float:
        """How much of the file was read, from 0 to 1."""
        return min(1.0, self.read / self.size) if self.size else 1.0

    def content(self) -> IO[bytes]:
        """The content, unpacked. Raises DatasetError: missing, unreadable, no regular file, too large."""
        return io.BufferedReader(_Unpacked(self, self._open()), CHUNK)

    def seekable(self) -> IO[bytes]:
        """The content as a file that can be read from any place: what is packed is unpacked into a temporary file."""
        if not self.packed:
            return io.BufferedReader(_Counted(self, self._open()))
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
        shutil.copyfileobj(self.content(), file, CHUNK)
        file.seek(0)
        return file

    def hashed(self) -> None:
        """Set ``content_hash``: ``sha256:…`` of the file's bytes as they lie on disk."""
        with self._open() as file:
            self.content_hash = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"

    def text(self) -> io.TextIOWrapper:
        """The content as text with its line ends as they are. Raises DatasetError where its encoding is none that is known."""
        if not self.encoding:
            with self.content() as file:
                head = file.read(HEAD)
            self.encoding = encoding_of(self.path, head, self._chunks)
            if self.encoding != UTF8:
                self.notes = (*self.notes, note("encoding", encoding=self.encoding.upper()))
        return io.TextIOWrapper(self.content(), encoding=self.encoding, newline="\n")

    def _chunks(self) -> Iterator[bytes]:
        with self.content() as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def _open(self) -> io.FileIO:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(self.path, flags)  # otherwise a pipe without a writer would block for ever
        except FileNotFoundError as error:
            raise DatasetError("dataset_missing", path=self.path) from error
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            if stat.S_ISDIR(status.st_mode):
                raise DatasetError("dataset_unreadable", path=self.path, reason=os.strerror(21))
            raise DatasetError("dataset_not_a_file", path=self.path)
        self.size, self.read = status.st_size, 0
        if self.size > self.most_bytes:
            os.close(descriptor)
            raise DatasetError(
                "dataset_too_large", path=self.path, size=_megabytes(self.size), most=_megabytes(self.most_bytes)
            )
        return os.fdopen(descriptor, "rb", buffering=0)

    def _unreadable(self, error: Exception) -> DatasetError:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return DatasetError("dataset_unreadable", path=self.path, reason=reason)


class _Counted(io.RawIOBase):
    """A file that counts what is read of it."""

    def __init__(self, source: Source, file: IO[bytes]) -> None:
        self.source = source
        self.file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.file.read(len(buffer)) or b""
        buffer[: len(data)] = data
        self.source.read += len(data)
        return len(data)

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def close(self) -> None:
        self.file.close()
        super().close()


class _Unpacked(io.RawIOBase):
    """The bytes of a file without its packing, as long as there are not too many."""

    def __init__(self, source: Source, file: IO[bytes]) -> None:
        self.source = source
        self.raw = _Counted(source, file)
        self.inner: Any = self.raw
        self.count = 0
        if source.packed == ".gz":
            self.inner = gzip.GzipFile(fileobj=io.BufferedReader(self.raw, CHUNK))
        elif source.packed == ".zst":
            import pyarrow as pa

            self.inner = pa.CompressedInputStream(pa.PythonFile(io.BufferedReader(self.raw, CHUNK), mode="r"), "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self.inner.read(len(buffer)) or b""
        except (OSError, EOFError, zlib.error, ValueError) as error:  # pyarrow's errors are OSError and ValueError
            if self.source.packed:
                why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
                raise DatasetError("dataset_broken_packed", path=self.source.path, why=why) from error
            raise self.source._unreadable(error) from error
        self.count += len(data)
        if self.count > MOST_UNPACKED:
            raise DatasetError("dataset_unpacks", path=self.source.path, rows="–", gigabytes=MOST_UNPACKED // 2**30)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.raw.close()
        super().close()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f}"
