"""Gradio's own files: compressed, kept by the browser, and only those."""

from __future__ import annotations

import gzip
import re

import brotli
import pytest

from lab.server.assets import FRONTEND, with_two_traces
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


def test_a_script_of_another_build_is_left_as_it_is() -> None:
    other = b"x.register([a(),b()]),y.register(c)"
    assert with_two_traces(other) == other


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
    answer = lab.client().get("/", headers={"accept-encoding": "gzip, br"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "fonts.googleapis" not in answer.text
    assert "fonts.gstatic" not in answer.text


def test_the_libraries_that_came_with_the_lab_are_kept_by_the_browser_too(lab: Lab) -> None:
    answer = lab.client().get("/vendor/purify-3.5.0.min.js")
    assert answer.status_code == 200 and answer.text.startswith("/*! @license DOMPurify 3.5.0")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert lab.client().get("/vendor/../text/en.toml").status_code == 404
