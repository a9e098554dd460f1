"""The import of Gradio without stubs and pandas changes when a module is read, and nothing about what it then is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_gradio_without_stubs_and_pandas_only_when_it_is_used() -> None:
    out = python(
        """
import os, sys
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
from lab.ui.gradio_shims import import_gradio
assert "gradio" not in sys.modules
finders = list(sys.meta_path)
import_gradio()
import_gradio()
import gradio, gradio.caching, gradio.component_meta
assert sys.meta_path == finders
assert gradio.component_meta.create_or_modify_pyi(None, "x", []) is None
assert not [name for name in sys.modules if name.startswith(("pandas", "pyarrow"))]
stand_in = gradio.caching.pd
with gradio.Blocks() as blocks:
    table = gradio.Dataframe(value=[[1, 2]], headers=["a", "b"])
assert table.postprocess([[1, 2]]).data == [[1, 2]]
import pandas, pandas.io.formats.style
assert stand_in is not pandas and stand_in.DataFrame is pandas.DataFrame
print("well")
"""
    )
    assert out == "well\n"


def test_a_first_use_by_many_threads() -> None:
    out = python(
        """
import os, threading
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
from lab.ui.gradio_shims import import_gradio
import_gradio()
import gradio.caching
seen = []
def use(): seen.append(gradio.caching.pd.DataFrame({"a": [1]}).shape)
def direct():
    from pandas.io.formats.style import Styler
    seen.append((1, 1))
threads = [threading.Thread(target=use if n % 2 else direct) for n in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert seen == [(1, 1)] * 8, seen
print("well")
"""
    )
    assert out == "well\n"


def test_a_socks_proxy_does_not_keep_gradio_from_being_imported() -> None:
    """Gradio makes an HTTP client at its top; the workers that fetch find the proxy again."""
    out = python(
        """
import os
named = {"ALL_PROXY": "socks5://127.0.0.1:9", "https_proxy": "SOCKS5h://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
os.environ.update(named)
from lab.ui.gradio_shims import import_gradio
import_gradio()
import gradio
assert {name: os.environ[name] for name in named} == named
print("well")
"""
    )
    assert out == "well\n"


def test_no_update_of_a_yield_is_a_change_of_the_one_before() -> None:
    """The page changes the earlier update where it may still have to be drawn; only text is sent as what was added to it."""
    out = python(
        """
from lab.ui.gradio_shims import import_gradio, send_whole_updates
import_gradio()
send_whole_updates()
import gradio
with gradio.Blocks() as blocks:
    outputs = [gradio.Dropdown([]), gradio.HTML(), gradio.JSON()]
    gradio.on(None, lambda: None, None, outputs)
(event,) = blocks.fns.values()
sent = lambda data: blocks.handle_streaming_diffs(event, data, "page", "run", False)
filled = {"__type__": "update", "value": "reply", "visible": True}
first = sent([{"__type__": "update"}, "read", {"rows": [1]}])
assert first == [{"__type__": "update"}, "read", {"rows": [1]}], first
second = sent([filled, "read 5", {"rows": [1]}])
assert second == [[["replace", [], filled]], [["append", [], " 5"]], []], second
third = sent([{"__type__": "update"}, "done", {"rows": [1, 2]}])
assert third == [[["replace", [], {"__type__": "update"}]], [["replace", [], "done"]], [["replace", [], {"rows": [1, 2]}]]], third
print("well")
"""
    )
    assert out == "well\n"
