"""An export as a browser hands it over: its files picked together, or the whole folder as one zip; as a folder that can be read.

Nothing that stands in a zip says where anything is written: the three files that an import reads are copied, each under its own
constant name, into a folder made for it, and that is gone afterwards. What they hold is ``importing.py``'s.
"""

from __future__ import annotations

import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from lab.annotation.versions.importing import NEEDED
from lab.data.other_kinds import CHUNK, SparingFile
from lab.errors import InputError
from lab.sandbox.files import MOST_FILE_BYTES

MOST_FILES = 100
"""An export has six; a zip of it also what an operating system puts beside them."""
MOST_UNPACKED_BYTES = 2 * MOST_FILE_BYTES
COPY = re.compile(r"[ _-]?\(?\d{1,3}\)?$")
"""What browsers put after the name of a file that is downloaded once more: ``version (1).json``, ``version-1.json``."""
BESIDE = {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"}
COMPRESSED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Other ways are rare, and what a few bytes of theirs become has no bound while they are read."""
ENCRYPTED = 1


@contextmanager
def uploaded(files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """A folder with the export's files for as long as the context lasts, and what the upload is called.

    Raises InputError: a file is missing or there twice; a zip that is broken, too large, or wants to write elsewhere.
    """
    called = ", ".join(path.name for path in files[:MOST_FILES])[:200]
    with tempfile.TemporaryDirectory(prefix="lab-export-") as made:
        folder = Path(made)
        zips = [path for path in files if path.suffix.lower() == ".zip"]
        if zips and len(files) > 1:
            raise InputError("export_zip_and_more", files=called)
        if len(files) > MOST_FILES:
            raise InputError("export_too_many_files", folder=called, most=MOST_FILES)
        if zips:
            _unpack(zips[0], folder, called)
        else:
            _copy(files, folder)
        yield folder, called


def _copy(files: Sequence[Path], folder: Path) -> None:
    by_name: dict[str, list[Path]] = {name: [] for name in NEEDED}
    for path in files:
        by_name.get(f"{COPY.sub('', path.stem)}{path.suffix}".lower(), []).append(path)
    _complete({name: [path.name for path in paths] for name, paths in by_name.items()})
    for name, (path,) in by_name.items():
        shutil.copyfile(path, folder / name)


def _unpack(path: Path, folder: Path, called: str) -> None:
    try:
        with SparingFile(path) as file, zipfile.ZipFile(file) as archive:
            for name, member in _members(archive, called).items():
                with archive.open(member) as packed, (folder / name).open("wb") as made:
                    shutil.copyfileobj(packed, made, CHUNK)  # a member gives no more than the size that it declares
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        why = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise InputError("export_zip_broken", folder=called, why=why) from error


def _members(archive: zipfile.ZipFile, called: str) -> dict[str, zipfile.ZipInfo]:
    """The members that are needed, by name; all from one folder. Raises InputError for a zip that is not just an export."""
    files = [member for member in archive.infolist() if not member.is_dir()]
    members = [member for member in files if BESIDE.isdisjoint(PurePosixPath(member.filename).parts)]
    if len(archive.infolist()) > MOST_FILES:
        raise InputError("export_too_many_files", folder=called, most=MOST_FILES)
    for member in archive.infolist():
        if _escapes(member):
            raise InputError("export_zip_path", folder=called, path=member.filename[:80])
        if member.compress_type not in COMPRESSED or member.flag_bits & ENCRYPTED:
            raise InputError("export_zip_kind", folder=called)
    size = sum(member.file_size for member in members)
    if size > MOST_UNPACKED_BYTES:
        raise InputError(
            "export_zip_too_large", folder=called, size=_megabytes(size), most=_megabytes(MOST_UNPACKED_BYTES)
        )
    by_name: dict[str, list[zipfile.ZipInfo]] = {name: [] for name in NEEDED}
    for member in members:
        by_name.get(PurePosixPath(member.filename).name, []).append(member)
    _complete({name: [member.filename for member in ones] for name, ones in by_name.items()})
    return {name: ones[0] for name, ones in by_name.items()}


def _escapes(member: zipfile.ZipInfo) -> bool:
    """Whether it is a link, or its name leads out of the folder that it would be unpacked into."""
    name = member.orig_filename
    parts = PurePosixPath(name).parts
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    return is_link or ".." in parts or name.startswith("/") or "\\" in name or ":" in name or "\0" in name


def _complete(by_name: dict[str, list[str]]) -> None:
    """Raises InputError where a file is missing, or is there more than once."""
    missing = [name for name, ones in by_name.items() if not ones]
    if missing:
        raise InputError("export_incomplete", missing=", ".join(missing), needed=", ".join(NEEDED))
    for name, ones in by_name.items():
        if len(ones) > 1:
            raise InputError("export_twice", name=name, found=", ".join(one[:80] for one in ones[:4]))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f}"
