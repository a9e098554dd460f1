"""Who is let through the gate: hosts, origins, cookies, and each level at each door and each function."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

import gradio as gr
import pytest
from starlette.testclient import TestClient

from lab.core.access import Access, requires
from lab.errors import StartError
from lab.server.access import Door, access_of
from lab.server.gradio_access import SERVER_FUNCTIONS, declared_doors, handlers
from lab.server.session import COOKIE, KEY_FILE
from lab.settings import HubSignIn
from tests.server.conftest import AWAY, HERE, PASSWORD, Lab, Make, small_page

JOIN = "/gradio_api/queue/join"
LEVELS = list(Access)
REFUSED = "This needs the access"


def call(client: TestClient, blocks: gr.Blocks, name: str, **headers: str) -> dict[str, object]:
    """Call a function as the page does, through the queue; the message that ends the call."""
    function = next(f for f in blocks.fns.values() if f.api_name == name)
    session = secrets.token_hex(5)
    body = {"data": ["x"] * len(function.inputs), "fn_index": function._id, "session_hash": session}
    joined = client.post(JOIN, json=body, headers=headers)
    if joined.status_code != 200:
        return {"success": False, "status": joined.status_code}
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and (message := json.loads(line[5:]))["msg"] == "process_completed":
                return message
    raise AssertionError("the call did not end")


def serve(client: TestClient, blocks: gr.Blocks, name: str, **headers: str) -> int:
    component = next(b for b in blocks.blocks.values() if getattr(b, "elem_id", "") == "curves")
    body = {"data": ["x"], "component_id": component._id, "session_hash": secrets.token_hex(5), "fn_name": name}
    return client.post(SERVER_FUNCTIONS, json=body, headers=headers).status_code


# ---- each door, each function, each level


@pytest.fixture(scope="module")
def whole_lab(make_module_lab: Make, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """With the page that people see, open to guests, and with everything that the application registers for it."""
    home = tmp_path_factory.mktemp("whole")
    hub = HubSignIn("client", "secret", provider="http://127.0.0.1:9", author="org")  # nobody answers there
    return make_module_lab(
        whole=True, host="0.0.0.0", password=PASSWORD, guests=True, classroom=True, hub=hub, home=home
    )


def test_every_route_is_tried_at_every_level(whole_lab: Lab) -> None:
    doors = declared_doors(whole_lab.application)
    assert len(doors) > 60
    first: dict[tuple[str, str], Door] = {}
    for door in doors:
        for method in door.methods:
            first.setdefault((method, door.path), door)
    for level in LEVELS:
        client = whole_lab.client(None if level == Access.NOBODY else level)
        for (method, path), door in first.items():
            if (
                path.endswith(("/heartbeat/{session_hash}", "/queue/data", "/{event_id}", "/api/changes"))
                and level >= Access.VIEWER
            ):
                continue  # an endless stream; that it opens is shown by the calls below
            answer = client.request(method, path.replace("{", "").replace("}", "").replace(":path", ""))
            refused = answer.status_code in (401, 403) and (
                "access_needed" in answer.text or (method == "HEAD" and level < (door.access or 0))
            )
            if door.access is None:
                assert answer.status_code in (404, 405), (level, method, path)
            elif path not in ("/sign-in", "/sign-in/{token}"):
                if path == "/sign-out":
                    client = whole_lab.client(None if level == Access.NOBODY else level)
                assert refused == (level < door.access), (level, method, path, answer.status_code)


@pytest.mark.timeout(400)  # a few hundred calls through the queue, on a machine that may be busy
def test_every_function_of_the_page_is_tried_at_every_level(whole_lab: Lab) -> None:
    """Each with no values: what the caller may do comes to its values, and breaks there; the others never come so far."""
    functions = {f._id: needed for f in whole_lab.blocks.fns.values() if f.fn and (needed := access_of(f.fn))}
    assert len(functions) > 30
    for level in LEVELS:
        with whole_lab.client(None if level == Access.NOBODY else level) as client:
            ended = call_all(client, list(functions))
            for number, needed in functions.items():
                name = str(whole_lab.blocks.fns[number].api_name)
                assert ended[number] == ("refused" if level < needed else "let through"), (level, name, ended[number])


def call_all(client: TestClient, functions: list[int]) -> dict[int, str]:
    """What became of a call of each function, all of them in the queue at once."""
    session, ended, waiting = secrets.token_hex(5), {}, {}
    for number in functions:
        joined = client.post(JOIN, json={"data": [], "fn_index": number, "session_hash": session})
        if joined.status_code == 200:
            waiting[joined.json()["event_id"]] = number
        else:
            ended[number] = "refused" if joined.status_code == 401 else f"status {joined.status_code}"
    if not waiting:
        return ended
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line[5:]) if line.startswith("data:") else {}
            if message.get("msg") == "process_completed":
                ended[waiting.pop(message["event_id"])] = "refused" if REFUSED in line_of(message) else "let through"
            if not waiting:
                break
    assert not waiting
    return ended


def line_of(message: object) -> str:
    return json.dumps(message, ensure_ascii=False)


def test_no_function_of_the_page_is_reached_by_another_way(whole_lab: Lab) -> None:
    """Gradio answers functions that wait in no queue at an address of their own, too."""
    direct = [f for f in whole_lab.blocks.fns.values() if f.fn and not f.queue]
    assert direct
    for level in (Access.VIEWER, Access.ANNOTATOR):
        client = whole_lab.client(level)
        for function in direct:
            needed = access_of(function.fn)
            body = {"data": [], "fn_index": function._id, "session_hash": f"of-{level.word}"}
            answer = client.post("/gradio_api/run/predict", json=body)
            assert needed is not None
            assert (REFUSED in line_of(answer.json())) == (level < needed), (level, function.api_name, answer.text)
            if level < needed:
                assert answer.status_code >= 400


def test_every_server_function_is_tried_at_every_level(whole_lab: Lab, shared_lab: Lab) -> None:
    """Of the whole page, and of one that is known to have some."""
    tried = []
    for lab in (whole_lab, shared_lab):
        for block in lab.blocks.blocks.values():
            for function in getattr(block, "server_fns", ()):
                tried.append(function.__name__)
                _try_server_function(lab, block._id, function)
    assert {"ask", "command"} <= set(tried)


def _try_server_function(lab: Lab, component: int, function: Any) -> None:
    needed = access_of(function)
    assert needed is not None
    for level in LEVELS:
        client = lab.client(None if level == Access.NOBODY else level)
        session, name = f"server-{level.word}", function.__name__
        body = {"data": [], "component_id": component, "session_hash": session, "fn_name": name}
        try:
            status = client.post(SERVER_FUNCTIONS, json=body).status_code
        except Exception:  # it was let through, and broke on having no values
            status = 500
        assert (status in (401, 403)) == (level < needed), (level, name, status)


def test_what_annotators_may_not_do(whole_lab: Lab) -> None:
    """Training, importing, exporting, saving rules, and seeing who said what: by the words in the doors' own names."""
    owners = re.compile("start|stop|cancel|resum|delet|renam|import|upload|export|freez|save|quality|annotators|votes")
    mine = re.compile(  # Gradio's own; reads a text, saves nothing; a guest's own vote and own run
        "^/gradio_api/(cancel|startup-events)|^/api/rules/import$|^/api/class/(votes|runs/stop)$"
    )
    levels = {door.path: door.access for door in declared_doors(whole_lab.application) if door.access is not None}
    levels |= {str(f.api_name): access_of(f.fn) for f in whole_lab.blocks.fns.values() if f.fn}
    doubtful = {name for name, level in levels.items() if owners.search(name) and not mine.search(name)}
    assert len(doubtful) > 8
    assert {name for name in doubtful if levels[name] is not Access.OWNER} == set()


def test_every_function_is_tried_at_every_level(shared_lab: Lab) -> None:
    """On a page of one function a level, which all do what they are there for."""
    events = {str(f.api_name): access_of(f.fn) for f in shared_lab.blocks.fns.values()}
    assert len(events) == 4
    for level in LEVELS:
        with shared_lab.client(None if level == Access.NOBODY else level) as client:
            for name, needed in events.items():
                assert needed is not None
                message = call(client, shared_lab.blocks, name)
                assert message["success"] == (level >= needed), (level, name, message)
                if Access.VIEWER <= level < needed:
                    assert f"“{needed.word}”" in line_of(message)
            for name, needed in (("ask", Access.VIEWER), ("command", Access.OWNER)):
                assert (serve(client, shared_lab.blocks, name) == 200) == (level >= needed), (level, name)


def test_direct_calls_pass_no_check_by(shared_lab: Lab) -> None:
    with shared_lab.client(Access.VIEWER) as client:
        for path in ("/gradio_api/run/train", "/gradio_api/run/train/"):
            assert client.post(path, json={"data": ["x"]}).status_code >= 400
        for path in ("/gradio_api/api/train", "/gradio_api/call/v2/train"):
            assert client.post(path, json={"data": ["x"]}).status_code == 404
        event = client.post("/gradio_api/call/train", json={"data": ["x"]}).json()["event_id"]
        answer = client.get(f"/gradio_api/call/train/{event}").text
        assert "said" not in answer
        assert "event: error" in answer


def test_the_owner_is_known_by_name(lab: Lab) -> None:
    with lab.client() as client:
        message = call(client, lab.blocks, "train")
        assert message["output"]["data"] == ["owner said x"]  # type: ignore[index]
        assert call(client, lab.blocks, "count")["output"]["data"] == ["two x"]  # type: ignore[index]


def test_a_server_function_takes_no_other_body(lab: Lab) -> None:
    client = lab.client()
    assert client.post(SERVER_FUNCTIONS, files={"file": b"x"}, data={"fn_name": "ask"}).status_code == 415
    assert client.post(SERVER_FUNCTIONS, content=b"{", headers={"content-type": "application/json"}).status_code == 422
    assert (
        client.post(
            SERVER_FUNCTIONS, json={"component_id": "1", "session_hash": secrets.token_hex(5), "fn_name": "a"}
        ).status_code
        == 400
    )
    for name in ("__init__", "postprocess", "get_config", "nothing"):
        assert serve(client, lab.blocks, name) == 404


# ---- start-up refuses what was not declared


def test_start_names_functions_without_access(make_lab: Make) -> None:
    def undeclared(text: str) -> str:
        return text

    with gr.Blocks() as blocks:
        box = gr.Textbox()
        box.change(undeclared, box, box)
        gr.HTML("x", server_functions=[undeclared])
    with pytest.raises(StartError) as caught:
        make_lab(blocks)
    assert caught.value.key == "start_undeclared"
    assert "undeclared" in str(caught.value.params["names"])
    assert "HTML.undeclared" in str(caught.value.params["names"])


def test_start_names_routes_without_access(lab: Lab) -> None:
    async def forgotten() -> None: ...

    lab.application.add_api_route("/forgotten", forgotten)
    with pytest.raises(StartError) as caught:
        declared_doors(lab.application)
    assert "/forgotten" in str(caught.value.params["names"])


def test_a_route_that_nobody_declared_does_not_exist(lab: Lab) -> None:
    @requires(Access.NOBODY)
    async def late() -> str:
        return "here"

    lab.application.add_api_route("/late", late)  # after the doors were counted
    assert lab.client().get("/late").status_code == 404


def test_handlers_covers_the_page() -> None:
    assert {access_of(function) for _, function in handlers(small_page())} == set(LEVELS) - {Access.NOBODY}


# ---- the host, the origin


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "localhost", "[::1]:7860", "LOCALHOST:1"])
def test_our_hosts(lab: Lab, host: str) -> None:
    assert lab.client(host=host).get("/api/runs").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:7860", "", "0.0.0.0:7860"]
)
def test_a_foreign_host_is_refused_on_loopback(lab: Lab, host: str) -> None:
    for path in ("/", "/healthz", "/api/runs", "/assets/x.js"):
        answer = lab.client(host=host).get(path)
        assert answer.status_code == 403
        assert answer.json()["error"]["key"] == "request_host"


STATE_CHANGING = [JOIN, "/gradio_api/run/train", "/gradio_api/call/train", "/gradio_api/upload", SERVER_FUNCTIONS,
                  SERVER_FUNCTIONS + "/", "/gradio_api/cancel", "/gradio_api/reset"]  # fmt: skip


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:9999", "http://localhost:7860", "null", "x", "file://"]
)
def test_a_foreign_origin_changes_nothing(lab: Lab, origin: str) -> None:
    for path in STATE_CHANGING:
        answer = lab.client(origin=origin).post(path, json={})
        assert answer.status_code == 403
        assert answer.json()["error"]["key"] == "request_origin"


def test_our_own_origin_may(lab: Lab) -> None:
    assert lab.client(origin=HERE).post("/gradio_api/reset", json={"event_id": "x"}).status_code == 200


def test_a_browser_that_says_cross_site_is_refused(lab: Lab) -> None:
    cross = {"sec-fetch-site": "cross-site"}
    assert lab.client(**cross).post("/gradio_api/reset", json={"event_id": "x"}).status_code == 403
    assert lab.client(**cross, **{"sec-fetch-mode": "cors"}).get("/api/runs").status_code == 403
    assert lab.client(**cross, **{"sec-fetch-mode": "navigate"}).get("/").status_code == 200
    assert lab.client(**{"sec-fetch-site": "same-site"}).post("/gradio_api/reset", json={}).status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000"])
def test_no_other_origin_may_read(lab: Lab, origin: str) -> None:
    client = lab.client(origin=origin, **{"access-control-request-method": "POST"})
    for path in ("/", "/config", "/api/runs", "/healthz", "/gradio_api/info", "/theme.css", "/nothing"):
        for method in ("GET", "OPTIONS"):
            answer = client.request(method, path)
            assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_an_address_fetches_nothing_from_elsewhere(lab: Lab) -> None:
    for path in ("file=http://example.com/a", "file=https://example.com/a", "proxy=https://a.hf.space/b"):
        assert lab.client().get(f"/gradio_api/{path}").status_code == 404


def test_private_files_are_not_served(lab: Lab) -> None:
    (lab.settings.home / "secret_key").write_text("k")
    for name in ("secret_key", "lab.db", "runs/x"):
        path = lab.settings.home.resolve() / name
        assert lab.client().get(f"/gradio_api/file={path}").status_code in (403, 404)
    assert lab.client().get("/gradio_api/file=/etc/passwd").status_code in (403, 404)


# ---- signing in


def test_a_stranger_sees_the_sign_in_page_and_nothing_else(shared_lab: Lab) -> None:
    client = shared_lab.client()
    assert client.get("/", headers={"accept": "text/html"}).headers["location"] == "/sign-in"
    for path in ("/", "/config", "/api/runs", "/gradio_api/info", "/gradio_api/queue/data?session_hash=x"):
        assert client.get(path).status_code == 401
    assert client.get("/healthz").status_code == 200


def test_the_sign_in_page_speaks_both_languages_and_loads_nothing(shared_lab: Lab) -> None:
    english = shared_lab.client().get("/sign-in").text
    chinese = shared_lab.client(**{"accept-language": "zh-CN,zh;q=0.9"}).get("/sign-in").text
    assert "Password" in english
    assert "密码" in chinese
    assert "密码" in shared_lab.client().get("/sign-in?lang=zh").text
    for page in (english, chinese):
        assert "{{" not in page
        assert "http" not in page.replace("text/html", "")
        assert "<script" not in page


def test_the_password_signs_in(make_lab: Make) -> None:
    lab = make_lab(host="0.0.0.0", password=PASSWORD)
    client = lab.client(origin=AWAY)
    assert client.post("/sign-in", data={"password": "wrong"}).status_code == 401
    assert client.get("/api/runs").status_code == 401
    answer = client.post("/sign-in", data={"password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    for word in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="):
        assert word in cookie
    assert "Secure" not in cookie
    assert client.get("/api/runs").status_code == 200
    client.post("/sign-out")
    assert client.get("/api/runs").status_code == 401


def test_a_foreign_page_cannot_sign_somebody_in(shared_lab: Lab) -> None:
    assert (
        shared_lab.client(origin="https://evil.example").post("/sign-in", data={"password": PASSWORD}).status_code
        == 403
    )


def test_guessing_is_slowed_down(make_lab: Make) -> None:
    lab = make_lab(host="0.0.0.0", password=PASSWORD)
    client = lab.client()
    answers = [client.post("/sign-in", data={"password": f"guess {n}"}).status_code for n in range(12)]
    assert answers[:10] == [401] * 10
    assert answers[10:] == [429, 429]
    # Nobody is shut out by what others have guessed: it only takes its turn.
    assert client.post("/sign-in", data={"password": PASSWORD}).status_code == 303


def test_the_owner_link_works_once(shared_lab: Lab) -> None:
    link = shared_lab.application.state.sessions.owner_link()
    assert shared_lab.client().get(link + "x").status_code == 401
    assert shared_lab.client().head(link).status_code in (404, 405)  # a preview does not use it up
    first, second = shared_lab.client(), shared_lab.client()
    assert first.get(link).status_code == 303
    assert first.get("/api/runs").status_code == 200
    assert second.get(link).status_code == 401
    assert second.get("/api/runs").status_code == 401


def test_a_forged_cookie_is_nobody(shared_lab: Lab) -> None:
    good = shared_lab.cookie(Access.OWNER)
    said, _, signature = good.rpartition(".")
    forgeries = [
        "",
        "x",
        "owner",
        '{"access": 3}',
        said,
        said + ".",
        good[:-1],
        good + "x",
        "A" + good,
        f"{said}.{signature[::-1]}",
    ]
    for value in forgeries:
        assert shared_lab.client(cookie=f"{COOKIE}={value}").get("/api/runs").status_code == 401, value
    assert shared_lab.client(cookie=f"{COOKIE}={good}").get("/api/runs").status_code == 200


def test_another_labs_cookie_is_nobody(make_lab: Make, tmp_path) -> None:  # type: ignore[no-untyped-def]
    here = make_lab(host="0.0.0.0", password=PASSWORD)
    elsewhere = make_lab(host="0.0.0.0", password=PASSWORD, home=tmp_path / "other")
    changed = make_lab(host="0.0.0.0", password="another password")
    assert elsewhere.client(Access.OWNER).get("/api/runs").status_code == 200
    for other in (elsewhere, changed):
        assert here.client(cookie=f"{COOKIE}={other.cookie(Access.OWNER)}").get("/api/runs").status_code == 401
    again = make_lab(host="0.0.0.0", password=PASSWORD)  # a restart keeps people signed in
    assert again.client(cookie=f"{COOKIE}={here.cookie(Access.OWNER)}").get("/api/runs").status_code == 200


def test_the_secret_key_is_private(shared_lab: Lab) -> None:
    path = shared_lab.settings.home / KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_password_on_loopback_is_asked_for_too(make_lab: Make) -> None:
    lab = make_lab(password=PASSWORD)
    assert lab.client().get("/api/runs").status_code == 401
    assert lab.client(Access.OWNER).get("/api/runs").status_code == 200


def test_without_a_password_no_one_is_owner_elsewhere(make_lab: Make) -> None:
    lab = make_lab(host="0.0.0.0")  # read_settings refuses this; the gate does not trust that
    assert lab.client().get("/api/runs").status_code == 401


def test_on_a_space_the_cookie_crosses_the_iframe(make_lab: Make) -> None:
    lab = make_lab(host="0.0.0.0", password=PASSWORD, space_host="a-b.hf.space")
    client = lab.client(base="https://a-b.hf.space", origin="https://a-b.hf.space")
    answer = client.post("/sign-in", data={"password": PASSWORD})
    assert answer.headers["set-cookie"].endswith("HttpOnly; SameSite=None; Secure; Partitioned")
    assert "frame-ancestors 'self' https://huggingface.co" in answer.headers["content-security-policy"]
    assert lab.client(base="http://10.0.0.1:7860", origin="https://a-b.hf.space").post("/sign-in").status_code == 401
    assert lab.client(origin="https://huggingface.co").post("/sign-in").status_code == 403


def test_headers_keep_everything_here(lab: Lab) -> None:
    for path in ("/", "/healthz", "/nothing", "/theme.css"):
        headers = lab.client().get(path).headers
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'self'" in policy
        assert "http" not in policy
        assert "*" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_websockets_are_closed(lab: Lab) -> None:
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), lab.client().websocket_connect("ws://127.0.0.1:7860/queue/join"):
        pass
