"""``python app.py`` as a person starts it, in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ["torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets", "plotly", "pandas.core"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    plain = {
        name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "SPACE_", "LC_", "LANG"))
    }
    return {**plain, **more}


def run_app(*flags: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "app.py", *flags],
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=100,
    )


@contextmanager
def started(home: Path, *flags: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port), "--home", str(home), *flags],
        cwd=ROOT, env=environment(**more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        for _ in range(900):
            assert process.poll() is None, process.stdout.read() if process.stdout else ""
            try:
                if httpx.get(f"http://127.0.0.1:{port}/healthz").json()["status"] == "ok":
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield process, port
    finally:
        process.kill()
        process.wait()


def test_the_page_process_loads_nothing_that_trains() -> None:
    """A fresh process: the app, and every room that it opens, with the imports trimmed as it trims them."""
    program = f"""
import sys, app
from lab.ui.gradio_shims import import_gradio
import_gradio()
import lab.server.application, lab.server.serve, lab.ui.page, lab.runs.supervisor, lab.store.runs
print(*[name for name in {HEAVY} if name in sys.modules])
import pandas
assert pandas.DataFrame({{"a": [1]}}).shape == (1, 1)
assert type(pandas).__name__ == "module"
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_help_helps() -> None:
    done = run_app("--help")
    assert done.returncode == 0
    for word in ("--host", "--port", "--home", "LAB_PASSWORD"):
        assert word in done.stdout
    assert run_app("--prot", "1").returncode == 2


@pytest.mark.parametrize(
    ("flags", "more", "status", "words"),
    [
        (["--host", "0.0.0.0"], {}, 1, ["0.0.0.0", "LAB_PASSWORD", "LAB_OPEN=annotate", "lab users add"]),
        ([], {"LAB_HOST": "0.0.0.0", "LANG": "zh_CN.UTF-8"}, 1, ["LAB_PASSWORD", "登录"]),
        (["--port", "http"], {}, 2, ["--port", "http", "7860"]),
        ([], {"LAB_PORT": "70000"}, 2, ["LAB_PORT", "70000"]),
        (["--home", "app.py"], {}, 2, ["--home", "app.py"]),
        ([], {"LAB_OPEN": "everything"}, 2, ["LAB_OPEN", "everything", "annotate"]),
    ],
)
def test_a_refusal_is_one_sentence(flags: list[str], more: dict[str, str], status: int, words: list[str]) -> None:
    done = run_app(*flags, **more)
    assert (done.returncode, done.stdout) == (status, "")
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_opens_and_closes(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path / "home") as (process, port):
        page = httpx.get(f"http://127.0.0.1:{port}/")
        assert page.status_code == 200
        assert "Alignment Lab" in page.text
        assert httpx.get(f"http://127.0.0.1:{port}/api/runs").json() == {"runs": []}
        if number is signal.SIGINT:  # its port and its home are its own
            taken = run_app("--port", str(port), "--home", str(tmp_path / "other"))
            assert taken.returncode == 1
            assert str(port) in taken.stderr
            second = run_app("--port", str(free_port()), "--home", str(tmp_path / "home"))
            assert second.returncode == 1
            assert str(process.pid) in second.stderr
        with httpx.stream("GET", f"http://127.0.0.1:{port}/gradio_api/heartbeat/abc") as endless:
            assert endless.status_code == 200
            process.send_signal(number)
            assert process.wait(30) == 0  # an open page does not keep it
    assert process.stdout is not None
    said = process.stdout.read()
    assert f"http://127.0.0.1:{port}" in said
    assert "Traceback" not in said, said


def test_the_owner_link_is_printed_where_sign_in_is_on(tmp_path: Path) -> None:
    with started(tmp_path / "home", LAB_PASSWORD="hush") as (process, port):
        assert httpx.get(f"http://127.0.0.1:{port}/api/runs").status_code == 401
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert process.stdout is not None
    said = process.stdout.read()
    assert f"http://127.0.0.1:{port}/sign-in/" in said
    assert "hush" not in said


@pytest.mark.timeout(300)  # two starts, on a machine that may be busy
def test_open_to_annotators_from_the_sign_in_page_to_a_restart(tmp_path: Path) -> None:
    """A guest comes in, may look and not train, and is the same person after the app was started anew."""
    home = tmp_path / "home"
    with started(home, "--host", "0.0.0.0", LAB_OPEN="annotate") as (process, port):
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url) as guest:
            assert guest.get("/api/runs").status_code == 401
            assert guest.post("/sign-in/guest", data={"name": "Mei"}).status_code == 303
            me = guest.get("/api/me").json()
            cookies = dict(guest.cookies)
        assert (me["name"], me["access"], me["guest"], me["sign_in"]) == ("Mei", "annotator", True, True)
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert process.stdout is not None
    assert "/sign-in/" in process.stdout.read()  # how the owner comes in
    with started(home, "--host", "0.0.0.0", LAB_OPEN="annotate") as (_, port):
        again = httpx.get(f"http://127.0.0.1:{port}/api/me", cookies=cookies).json()
        assert again["id"] == me["id"]
