"""Gradio's own files: compressed, kept by the browser, and only those."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess

import brotli
import pytest

from lab.server.assets import FRONTEND
from lab.server.compression import best_encoding
from lab.server.gradio_scripts import CHANGES, Change, changed, is_changed
from lab.ui.gradio_shims import plotly_chunk
from tests.server.conftest import Lab


def entry(lab: Lab) -> str:
    found = re.search(r'src="\./(assets/index-[^"]+\.js)"', lab.client().get("/").text)
    assert found is not None
    return "/" + found[1]


def test_a_script_comes_compressed_and_stays(lab: Lab) -> None:
    path = entry(lab)
    plain = lab.client().get(path, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for encoding, unpack in (("br", brotli.decompress), ("gzip", gzip.decompress)):
        with lab.client().stream("GET", path, headers={"accept-encoding": encoding}) as answer:
            packed = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == encoding
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].startswith("text/javascript")
        assert unpack(packed) == plain.content
        assert len(packed) < len(plain.content) / 2


@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
def test_plotly_sets_up_the_two_traces_that_figures_have(lab: Lab, encoding: str) -> None:
    name = plotly_chunk()
    answer = lab.client().get(f"/assets/{name}", headers={"accept-encoding": encoding})
    whole = (FRONTEND / "assets" / name).read_text("utf-8")
    registered = [len(found.split(",")) for found in re.findall(r"\.register\(\[((?:\w+\(\),?)+)\]\)", answer.text)]
    assert registered and max(registered) == 1
    assert len(whole) - 1_000 < len(answer.text) < len(whole)
    assert answer.headers["cache-control"] == "public, max-age=86400"
    assert answer.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.script)
def test_each_change_has_its_place_in_the_pinned_gradio(change: Change) -> None:
    (script,) = [
        path
        for path in (FRONTEND / "assets").glob(f"{change.script}*.js")
        if change.place.search(path.read_bytes()) is not None
    ]
    assert is_changed(script.name)
    content = script.read_bytes()
    assert len(change.place.findall(content)) == 1
    assert change.place.sub(change.replacement, content) != content
    assert change.place.search(changed(script.name, content)) is None or b"if(!Object.keys" in change.replacement


def test_a_script_of_another_build_is_left_as_it_is() -> None:
    assert changed("PlotlyPlot-x.js", other := b"x.register([a(),b()]),y.register(c)") == other
    assert (
        changed(
            "core-x.js", other := b"e=>this.find_attached_events(e,this.#a),e=>this.find_attached_events(e,this.#a)"
        )
        == other
    )
    assert changed("Index-x.js", other := b"async set_event_args(a,b){}") == other


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_events_of_each_component_are_gradios_own() -> None:
    """Both ways on the same events: none, one, several, twice the same component in one event, without a name."""
    (script,) = (
        path for path in (FRONTEND / "assets").glob("core-*.js") if b"find_attached_events(e,t){" in path.read_bytes()
    )
    content = script.read_text("utf-8")
    body = re.search(r"find_attached_events\(e,t\)(\{.*?\})traverse\(", content)
    (change,) = [change for change in CHANGES if change.script == "core-"]
    ours = change.place.sub(change.replacement, b"e=>this.find_attached_events(e,this.#n)").decode()
    assert body is not None
    program = f"""
        const dependencies = [
          {{targets: [[1, "click"], [2, "input"]]}}, {{targets: []}}, {{targets: [[1, "change"]]}},
          {{targets: [[2, "a"], [2, "b"]]}}, {{targets: [[3, null], [3, "late"]]}}, {{targets: [[null, "load"]]}},
        ];
        const component = (id) => ({{id, props: {{shared_props: {{}}}}}});
        const theirs = (e, t) => {body[1]};
        class Page {{ #n = dependencies; make() {{ return {ours}; }} }}
        const ours = new Page().make();
        const show = (find) => JSON.stringify([1, 2, 3, 4].map((id) => find(component(id)).props.shared_props.attached_events));
        console.log(show((e) => theirs(e, dependencies)) + "|" + show(ours));
    """
    theirs, same = (
        subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True).stdout.strip().split("|")
    )
    assert theirs == same and "click" in theirs


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", None),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.0, gzip;q=0.5", "gzip"),
        ("br;q=0.1", "br"),
        ("identity", None),
        ("abroad", None),
    ],
)
def test_the_encoding_that_a_browser_takes(accepted: str, encoding: str | None) -> None:
    assert best_encoding(accepted) == encoding


def test_a_font_is_sent_as_it_is(lab: Lab) -> None:
    answer = lab.client().get("/static/fonts/IBMPlexMono/IBMPlexMono-Regular.woff2")
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers
    assert answer.headers["cache-control"] == "public, max-age=86400"


@pytest.mark.parametrize(
    "name", ["../index.html", "..%2findex.html", "%2e%2e/index.html", "/etc/passwd", "nothing.js", ""]
)
def test_only_what_is_there(lab: Lab, name: str) -> None:
    assert lab.client().get(f"/assets/{name}").status_code == 404


def test_the_first_page_is_compressed_and_names_no_font_host(lab: Lab) -> None:
    plain = lab.client().get("/", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for encoding, unpack in (("br", brotli.decompress), ("gzip", gzip.decompress)):
        with lab.client().stream("GET", "/", headers={"accept-encoding": encoding}) as answer:
            packed = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == encoding
        assert len(unpack(packed)) == len(plain.content)
        assert len(packed) < len(plain.content) / 3
    answer = plain
    assert "fonts.googleapis" not in answer.text
    assert "fonts.gstatic" not in answer.text


def test_the_libraries_that_came_with_the_lab_are_kept_by_the_browser_too(lab: Lab) -> None:
    answer = lab.client().get("/vendor/purify-3.5.0.min.js")
    assert answer.status_code == 200 and answer.text.startswith("/*! @license DOMPurify 3.5.0")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert lab.client().get("/vendor/../text/en.toml").status_code == 404
