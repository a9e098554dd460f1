"""An agent without Ray: contents by their hash, a home laid out of them, paths there and back, what is read out."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lab.core.recipes import with_values
from lab.runs.ray.agent import CACHE, NodeAgent
from lab.runs.ray.mirror import Mirror
from lab.runs.ray.needs import parcel_of
from lab.runs.ray.parcel import Parcel, translated
from lab.store.models import SHIPPED
from lab.store.presets import load_preset
from lab.store.run_folder import RunFolder


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeAgent:
    monkeypatch.setenv(CACHE, str(tmp_path / "node"))
    return NodeAgent("attempt", "node", "127.0.0.1", 1)


class Calls:
    """The agent as the connection has it."""

    def __init__(self, agent: NodeAgent) -> None:
        self._agent = agent

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self._agent, method)(*arguments)


def run_folder(home: Path, preset: str = "tiny/sft", **changes: Any) -> RunFolder:
    recipe = with_values(load_preset(preset).recipe, changes)
    folder = RunFolder(home / "runs" / "one")
    folder.path.mkdir(parents=True)
    folder.write("recipe.json", {"version": 1, "recipe": recipe.model_dump(mode="json")})
    return folder


def send(agent: NodeAgent, parcel: Parcel, places: dict[str, Path]) -> list[str]:
    """What was missing."""
    sizes = {entry.sha256: entry.size for entry in parcel.entries}
    missing = agent.missing(list(sizes.items()))
    for sha256, there in missing:
        agent.put(sha256, there, places[sha256].read_bytes()[there:], sizes[sha256])
    agent.lay_out(parcel.as_values())
    return [sha256 for sha256, _ in missing]


def test_a_content_comes_in_pieces_goes_on_after_a_break_and_is_checked(agent: NodeAgent) -> None:
    content = b"0123456789"
    name = hashlib.sha256(content).hexdigest()
    assert agent.missing([(name, 10)]) == [(name, 0)]
    assert agent.put(name, 0, content[:4], 10) == 4
    assert agent.missing([(name, 10)]) == [(name, 4)]
    assert agent.put(name, 0, content[:4], 10) == 4, "a piece that comes twice is written once"
    assert agent.put(name, 4, content[4:], 10) == 10
    assert agent.missing([(name, 10)]) == []
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(ValueError, match="broken"):
        agent.put(other, 0, b"wrong", 5)
    assert agent.missing([(other, 5)]) == [(other, 0)], "what is not what its name says is not kept"


def test_data_and_start_models_travel_with_their_base_and_come_under_other_paths(
    agent: NodeAgent, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a", "completion": "b"}\n')
    base = tmp_path / "elsewhere" / "base"
    shutil.copytree(SHIPPED["tiny"], base)
    start = home / "runs" / "start" / "model"
    start.mkdir(parents=True)
    (start / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(base), "task_type": "CAUSAL_LM"})
    )
    (start / "adapter_model.safetensors").write_bytes(b"weights")
    folder = run_folder(home, dataset=f"{rows}?prompt=prompt", model="run:start")
    parcel, places = parcel_of(folder)
    sent = send(agent, parcel, places)
    assert len(sent) == len({entry.sha256 for entry in parcel.entries})
    there = tmp_path / "node" / "runs" / "attempt-node" / "home"
    recipe = json.loads((there / "runs" / "one" / "recipe.json").read_text())["recipe"]
    assert recipe["model"] == "run:start" and recipe["dataset"].endswith("rows.jsonl?prompt=prompt")
    assert Path(recipe["dataset"].partition("?")[0]).read_bytes() == rows.read_bytes()
    named = json.loads((there / "runs/start/model/adapter_config.json").read_text())["base_model_name_or_path"]
    assert named.startswith(str(there)) and (Path(named) / "config.json").exists()
    assert parcel.paths[0][0] in (str(rows), str(base))

    again = NodeAgent("another", "node", "127.0.0.1", 1)
    assert send(again, parcel, places) == [], "everything is there already"


def test_what_a_worker_writes_appears_in_the_run_s_own_folder(agent: NodeAgent, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "home")
    folder.append("metrics", {"step": 1, "loss": 1.0})
    parcel, places = parcel_of(folder)
    send(agent, parcel, places)
    there = RunFolder(tmp_path / "node" / "runs" / "attempt-node" / "home" / "runs" / "one")
    assert (there.path / "metrics.jsonl").read_bytes() == (folder.path / "metrics.jsonl").read_bytes()
    mirror = Mirror(folder, Calls(agent), [(node, ours) for ours, node in agent.paths()])  # type: ignore[arg-type]

    there.append("metrics", {"step": 2, "loss": 0.5})
    there.log_path.write_bytes(b"first line\n")
    folder.log_path.write_bytes(b"ours\n")
    there.write("heartbeat", {"pid": 1, "step": 2})
    checkpoint = there.checkpoint_path(2)
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_bytes(b"12")
    mirror.take(agent.news())
    assert [line["step"] for line in folder.metrics().lines] == [1, 2]
    assert folder.log_path.read_text() == "ours\nfirst line\n"
    assert folder.last_checkpoint() is None, "it is not complete"
    assert folder.heartbeat()["step"] == 2 and folder.heartbeat()["pid"] != 1

    (checkpoint / "complete").touch()
    with there.log_path.open("ab") as log:
        log.write("zweite Zeile ü\n".encode()[:14])
    mirror.take(agent.news())
    assert folder.last_checkpoint() == (2, folder.checkpoint_path(2))
    assert (folder.checkpoint_path(2) / "weights").read_bytes() == b"12"
    assert folder.log_path.read_bytes().endswith(b"zweite Zeile \xc3"), "byte by byte"

    node_home = str(there.path.parents[1])
    there.model_path.mkdir()
    (there.model_path / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": f"{node_home}/models/x"})
    )
    there.write("result.json", {"state": "finished"})
    news = agent.news() | {"model": {"adapter_config.json": 1}}
    mirror.take(news)
    assert folder.result() is None, "the result comes last"
    mirror.finish(news)
    assert folder.result() == {"state": "finished"}
    config = json.loads((folder.model_path / "adapter_config.json").read_text())
    assert config == {"base_model_name_or_path": f"{tmp_path / 'home'}/models/x"}
    agent.release()
    assert agent.is_released() and not there.path.exists()


def test_nothing_outside_the_home_is_written_or_read(agent: NodeAgent, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "home")
    parcel, places = parcel_of(folder)
    values = parcel.as_values()
    for place in ("../outside", "/etc/outside"):
        with pytest.raises(ValueError, match="not a place below a home"):
            agent.lay_out(values | {"entries": [[place, *values["entries"][0][1:]]]})
    send(agent, parcel, places)
    with pytest.raises(ValueError, match="not a file of the run"):
        agent.read("../../../../../../etc/passwd", 0, 10)


def test_only_whole_values_are_translated() -> None:
    content = json.dumps(
        {"a": "/home/x/data.jsonl?prompt=q", "b": ["/home/xy", "see /home/x"], "c": "/home/x", "n": 1}
    ).encode()
    assert json.loads(translated(content, [("/home/x", "/n")])) == {
        "a": "/n/data.jsonl?prompt=q",
        "b": ["/home/xy", "see /home/x"],
        "c": "/n",
        "n": 1,
    }
    untouched = b'{"a":   1.00}'
    assert translated(untouched, [("/home/x", "/n")]) is untouched
