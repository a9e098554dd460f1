"""The lab behind a real nginx, with the lines of docs/hosting.md: at the root and below a path, streams, uploads, and who is believed."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest

from lab.server.serve import _Server, listen, server_config
from tests.server.conftest import PASSWORD, Make, a_run, add_step

DOCS = Path(__file__).resolve().parents[2] / "docs" / "hosting.md"
NAME = "lab.example.org"

pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None, reason="no nginx here: apt-get install nginx-light (.ci/run does)"
)


@dataclass
class Behind:
    """A lab, and the nginx in front of it."""

    lab: object
    url: str
    direct: str
    root: str


def free_port() -> int:
    with socket.socket() as wire:
        wire.bind(("127.0.0.1", 0))
        return int(wire.getsockname()[1])


def lines_of_docs(title: str, lab_port: int, port: int) -> str:
    """The server block that stands in the docs under a title, with ports of this test, and without TLS."""
    text = DOCS.read_text("utf-8").partition(f"### {title}")[2]
    block = re.search(r"```nginx\n(.*?)```", text, re.DOTALL)
    assert block is not None
    lines = (
        block[1]
        .replace("127.0.0.1:7860", f"127.0.0.1:{lab_port}")
        .replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    )
    return "\n".join(line for line in lines.splitlines() if "ssl_" not in line)


@pytest.fixture(scope="module", params=["nginx", "nginx, below a path"])
def behind(
    request: pytest.FixtureRequest, make_module_lab: Make, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("nginx")
    root = "/lab" if "below" in request.param else ""
    lab = make_module_lab(
        password=PASSWORD,
        guests=True,
        hosts=frozenset({NAME}),
        trusted_proxies=(ip_network("127.0.0.1"),),
        home=folder / "home",
    )
    listener = listen(replace(lab.settings, port=0))
    port, front = listener.getsockname()[1], free_port()
    server = _Server(server_config(lab.application, lab.settings), lab.application, replace(lab.settings, port=port))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    config = folder / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n"
        f"client_body_temp_path {folder}/body;\nproxy_temp_path {folder}/proxy;\nfastcgi_temp_path {folder}/f;\n"
        f"uwsgi_temp_path {folder}/u;\nscgi_temp_path {folder}/s;\n{lines_of_docs(request.param, port, front)}\n}}\n"
    )
    process = subprocess.Popen(["nginx", "-c", str(config), "-p", str(folder)], stderr=subprocess.PIPE)
    try:
        url = f"http://127.0.0.1:{front}"
        for _ in range(200):
            try:
                if server.started and httpx.get(url + root + "/healthz", headers={"Host": NAME}).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        else:
            raise AssertionError((folder / "error.log").read_text())
        yield Behind(lab, url, f"http://127.0.0.1:{port}", root)
    finally:
        process.terminate()
        process.wait(10)
        server.should_exit = True
        thread.join(20)


def client(behind: Behind, **headers: str) -> httpx.Client:
    """Somebody at another address than the proxy's."""
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
    return httpx.Client(
        base_url=behind.url + behind.root, headers={"Host": NAME, **headers}, timeout=20, transport=elsewhere
    )


def owner(behind: Behind) -> httpx.Client:
    browser = client(behind, Origin=f"https://{NAME}")
    answer = browser.post("/sign-in", data={"password": PASSWORD})
    assert answer.status_code == 303
    browser.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
    return browser


def test_a_browser_signs_in_and_the_cookie_is_for_tls_and_this_path(behind: Behind) -> None:
    browser = client(behind, Origin=f"https://{NAME}", Accept="text/html")
    first = browser.get("/")
    assert (first.status_code, first.headers["location"].split("?")[0]) == (303, f"{behind.root}/sign-in")
    assert f'action="{behind.root}/sign-in' in browser.get("/sign-in").text
    answer = browser.post("/sign-in", data={"password": PASSWORD})
    assert answer.headers["location"] == f"{behind.root}/"
    cookie = answer.headers["set-cookie"]
    assert "Secure" in cookie and f"Path={behind.root or '/'};" in cookie


def test_the_page_names_its_own_address(behind: Behind) -> None:
    browser = owner(behind)
    page = browser.get("/")
    assert page.status_code == 200
    config = json.loads(browser.get("/config").text)
    assert config["root"] == f"https://{NAME}{behind.root}"
    assert browser.get("/api/me").json()["access"] == "owner"
    assert browser.get("/judge").status_code == 200
    for path in re.findall(r'(?:src|href)="\./(assets/[^"]+)"', page.text)[:3]:
        assert browser.get("/" + path).status_code == 200


def test_events_come_at_once(behind: Behind) -> None:
    run, folder = a_run(behind.lab.store)  # type: ignore[attr-defined]
    with owner(behind).stream("GET", f"/api/runs/{run.id}/events") as stream:
        lines = stream.iter_lines()
        next(line for line in lines if line.startswith("data: "))
        began = time.monotonic()
        add_step(folder, 4)
        while not any(
            each["step"] == 4
            for each in json.loads(next(line for line in lines if line.startswith("data: "))[6:])["metrics"]
        ):
            pass
        assert time.monotonic() - began < 5, "nginx does not keep events back"


def test_nobody_else_is_believed(behind: Behind) -> None:
    """Straight to the lab from the same machine the headers count, which is what naming a proxy means; what they claim beyond does not."""
    forged = client(
        behind, **{"X-Forwarded-For": "10.9.8.7", "X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil"}
    )
    answer = forged.get("/sign-in", headers={"Accept": "text/html"})
    assert answer.status_code == 200 and "evil" not in answer.text
    assert client(behind, Host="evil.example").get("/sign-in").status_code == 403


def test_a_refused_origin_names_the_header(behind: Behind) -> None:
    answer = client(behind, Origin="https://other.example", Accept="text/html").post(
        "/sign-in", data={"password": PASSWORD}
    )
    assert answer.status_code == 403
    assert "<!doctype html>" in answer.text and "proxy_set_header Host" in answer.text


def test_guesses_count_by_the_callers_address(behind: Behind) -> None:
    """Whatever a stranger writes into X-Forwarded-For, nginx adds the address that it saw."""
    statuses = [
        client(behind, Origin=f"https://{NAME}", **{"X-Forwarded-For": f"10.0.0.{n}"})
        .post("/sign-in", data={"password": "x"})
        .status_code
        for n in range(12)
    ]
    assert 429 in statuses


def test_a_file_larger_than_nginx_takes_by_itself(behind: Behind) -> None:
    files = {"files": ("rows.jsonl", b"x" * (3 << 20))}
    assert owner(behind).post("/gradio_api/upload", files=files).status_code == 200
