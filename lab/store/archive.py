"""The form of a backup: files and a ``manifest.json`` with their sizes and SHA-256, in a folder or in one .tar.

A backup is written under another name and renamed once it is whole. A reader trusts nothing: it opens only files that the manifest
lists, by plain names that lead nowhere else. Not here: what a home holds (``backup.py``).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from lab.errors import InputError, MachineError
from lab.store.lines import dump

MANIFEST = "manifest.json"
VERSION = 1
BLOCK = 1 << 20
MOST_MANIFEST_BYTES = 256 << 20
_BELONGS = re.compile(
    r"lab\.db|users\.toml|class\.json|studies/[^/]+\.json|runs/\d{8}-\d{6}-[a-z0-9]{4}/.+|(exports|recordings|models|data)/.+"
)


@dataclass(frozen=True)
class Entry:
    """A file of a backup, by its path in the home (``runs/…/recipe.json``)."""

    path: str
    size: int
    sha256: str


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Place(Protocol):
    def put(self, name: str, data: _Readable, size: int) -> None: ...
    def close(self) -> None: ...


class Writer:
    """Takes files into a backup that is being written; see ``writing``."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        self.entries: list[Entry] = []

    def add(self, name: str, file: IO[bytes], size: int) -> None:
        """The first ``size`` bytes of ``file``: it may be growing."""
        hashed = _Hashed(file)
        self._place.put(name, hashed, size)
        self.entries.append(Entry(name, size, hashed.digest.hexdigest()))

    def finish(self, **about: Any) -> None:
        """Write the manifest."""
        manifest = dump({"version": VERSION, **about, "files": [asdict(entry) for entry in self.entries]})
        self._place.put(MANIFEST, io.BytesIO(manifest), len(manifest))
        self._place.close()


class Archive:
    """An existing backup: ``manifest``, ``entries``, and ``open`` for each. Close it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tar: tarfile.TarFile | None = None
        try:
            self._tar = None if path.is_dir() else tarfile.open(path, "r:")  # noqa: SIM115
            self.manifest: dict[str, Any] = json.loads(self.read(MANIFEST))
            self.entries = [
                Entry(str(file["path"]), int(file["size"]), str(file["sha256"])) for file in self.manifest["files"]
            ]
            if self.manifest["version"] != VERSION or not all(_belongs(entry.path) for entry in self.entries):
                raise ValueError
            if len({entry.path for entry in self.entries}) < len(self.entries):
                raise ValueError
            about = (self.manifest["home"], self.manifest["runs"], self.manifest["listed"], self.manifest["files"])
            if [type(value) for value in about] != [str, int, list, list] or not about[0].isprintable():
                raise ValueError
            if not all(isinstance(name, str) and name.isprintable() for name in about[2]):
                raise ValueError
        except (OSError, tarfile.TarError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            self.close()
            raise InputError("backup_unreadable", path=path) from error

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """The content of a file. Raises OSError or KeyError where it is not there."""
        if self._tar is None:
            path = self.path / name
            # Neither a link, nor below one, nor a pipe, which would never end.
            if path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(self.path.resolve()):
                raise FileNotFoundError(path)
            with path.open("rb") as file:
                yield file
            return
        member = self._tar.getmember(name)
        content = self._tar.extractfile(member) if member.isfile() else None
        if content is None:
            raise FileNotFoundError(name)
        with content:
            yield content

    def read(self, name: str) -> bytes:
        """The whole content of a small file. Raises ValueError where it is none."""
        with self.open(name) as file:
            content = file.read(MOST_MANIFEST_BYTES + 1)
        if len(content) > MOST_MANIFEST_BYTES:
            raise ValueError(name)
        return content

    def copy(self, entry: Entry, target: Path | None) -> bool:
        """Copy a file to ``target`` (None: nowhere); whether it is what the manifest says. Raises MachineError ``disk_full``."""
        digest, size = hashlib.sha256(), 0
        try:
            with self.open(entry.path) as file, (target or Path(os.devnull)).open("wb") as out:
                while block := file.read(BLOCK):
                    digest.update(block)
                    size += len(block)
                    if target is not None:
                        out.write(block)
        except OSError as error:
            if error.errno == 28:
                raise MachineError("disk_full", path=target) from error
            return False
        except (KeyError, tarfile.TarError):
            return False
        return (size, digest.hexdigest()) == (entry.size, entry.sha256)

    def close(self) -> None:
        """Let go of the file."""
        if self._tar is not None:
            self._tar.close()


@contextmanager
def writing(target: Path) -> Iterator[Writer]:
    """A new backup: one file where the name ends in ``.tar``, else a folder. Whole at the end or not there at all.

    Raises InputError ``backup_target_taken``, and MachineError where it cannot be written.
    """
    if target.exists():
        raise InputError("backup_target_taken", path=target)
    part = target.with_name(f".{target.name}.part")
    _remove(part)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        yield Writer(_Tar(part) if target.suffix == ".tar" else _Folder(part))
        part.rename(target)
    except OSError as error:
        key = "disk_full" if error.errno == 28 else "backup_cannot_write"
        raise MachineError(key, path=target, why=error.strerror or type(error).__name__) from error
    finally:
        _remove(part)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(mode=0o700)  # the password file may be among it

    def put(self, name: str, data: _Readable, size: int) -> None:
        path = self._path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            while size > 0 and (block := data.read(min(BLOCK, size))):
                out.write(block)
                size -= len(block)
        if size:
            raise OSError(5, f"{name} became shorter while it was read")

    def close(self) -> None:
        """Nothing is open."""


class _Tar:
    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._tar = tarfile.open(path, "w:", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def put(self, name: str, data: _Readable, size: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        self._tar.addfile(member, data)  # type: ignore[arg-type]  # it only reads

    def close(self) -> None:
        self._tar.close()


class _Hashed:
    """A file that hashes what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        return block


def _belongs(name: str) -> bool:
    """Whether a backup may hold a file of this name: the database, the password file, and what lies in the folders of a home that
    are copied. Nothing else is ever written by a restore, and so no key, no cache, no lock; and nothing that a terminal would obey."""
    path = PurePosixPath(name)
    plain = name.isprintable() and not path.is_absolute() and ".." not in path.parts and "\\" not in name
    return plain and path.as_posix() == name and _BELONGS.fullmatch(name) is not None


def _remove(path: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
