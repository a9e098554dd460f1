"""plotly and pandas are loaded when Compare is first looked at, by several people at once if need be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys, threading
from lab.ui.gradio_shims import import_gradio
import_gradio()
from lab.ui.tabs.compare.drawing import load_plotting
assert "plotly" not in sys.modules and "pandas" not in sys.modules
problems, ready = [], threading.Barrier(6)

def draw():
    ready.wait()
    try:
        load_plotting()
        import plotly.graph_objects as go
        go.Figure().add_trace(go.Scatter(x=[1, 2], y=[1, 2], hoverinfo="skip"))
    except Exception as error:
        problems.append(error)

threads = [threading.Thread(target=draw) for _ in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert not problems, problems
"""


def test_six_people_open_compare_at_once() -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
