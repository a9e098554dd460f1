"""Who is let in at all: origins, hosts, headers of proxies, cookies, sessions, and addresses that mean something else."""

from __future__ import annotations

import time
from ipaddress import ip_network

import pytest
from itsdangerous import URLSafeTimedSerializer

from lab.core.access import Access
from lab.server.forwarded import FORWARDING
from lab.server.session import COOKIE, KEY_FILE
from tests.server.conftest import AWAY, HERE, PASSWORD, Lab, Make

JOIN = "/gradio_api/queue/join"
EVIL = "https://evil.example"


def refused(answer, key: str, status: int = 403) -> None:  # type: ignore[no-untyped-def]
    assert answer.status_code == status, answer.text[:300]
    assert answer.json()["error"]["key"] == key


# ---- origins

ORIGINS = (
    *(EVIL, "null", "", "http://127.0.0.1", "http://127.0.0.1:7861", "https://127.0.0.1:7860.evil.example"),
    *(
        "http://evil.example:7860",
        "http://127.0.0.1:7860@evil.example",
        "http://localhost:7860",
        "file://",
        "ftp://127.0.0.1:7860",
    ),
    *(
        "chrome-extension://abc",
        "http://127.0.0.1:7860/",
        "http://127.0.0.1:7860, https://evil.example",
        "http://[::1]:7860",
    ),
)


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("path", [JOIN, "/api/annotate/judgements", "/api/rules/sets"])
def test_no_other_origin_changes_anything(lab: Lab, origin: str, path: str) -> None:
    answer = lab.client(origin=origin).post(path, json={})
    refused(answer, "request_origin")
    assert answer.json()["error"]["params"]["host"] == "127.0.0.1:7860"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_request_that_the_browser_calls_foreign(lab: Lab, site: str) -> None:
    refused(lab.client(**{"sec-fetch-site": site}).post(JOIN, json={}), "request_origin")
    assert (
        lab.client(**{"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}).get("/api/runs").status_code == 403
    )


# ---- hosts

HOSTS = (
    *(
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "lab.example.evil.example",
        "evil.lab.example",
        "xlab.example",
    ),
    *(
        "lab.example@evil.example",
        "127.0.0.1:7860:80",
        "",
        " ",
        "lab.example/evil",
        "0x7f000001.evil",
        "[::1].evil.example",
    ),
    *("evil.example:80", "_", "*", "*.example"),
)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("shared", [False, True])
def test_no_other_name_is_answered(lab: Lab, shared_lab: Lab, host: str, shared: bool) -> None:
    client = (shared_lab if shared else lab).client()
    for method, path in (("GET", "/"), ("POST", JOIN)):
        refused(client.request(method, path, headers={"host": host}), "request_host")


def test_a_rebound_name_does_not_become_a_guest(make_lab: Make) -> None:
    """Host and Origin agree, and both are the attacker's name, which points at this machine."""
    lab = make_lab(host="0.0.0.0", guests=True)
    headers = {"host": "evil.example:7860", "origin": "http://evil.example:7860"}
    refused(lab.client().post("/sign-in/guest", data={"name": "Eve"}, headers=headers), "request_host")


@pytest.mark.parametrize("host", ["192.168.1.7:7860", "[fe80::1]:7860", "10.1.2.3", "lab.example", "LAB.example:9"])
def test_addresses_in_digits_and_names_that_were_listed_are(shared_lab: Lab, host: str) -> None:
    assert shared_lab.client().get("/healthz", headers={"host": host}).status_code == 200


# ---- headers of proxies


@pytest.mark.parametrize("name", [name.decode() for name in FORWARDING])
def test_a_lab_without_sign_in_refuses_what_came_through_a_proxy(lab: Lab, name: str) -> None:
    """Otherwise everybody behind a proxy that rewrites Host would be the owner."""
    for method, path in (("GET", "/api/me"), ("POST", JOIN), ("GET", "/healthz")):
        refused(lab.client(**{name: "10.0.0.1"}).request(method, path), "request_forwarded")


@pytest.mark.parametrize("name", [name.decode() for name in FORWARDING])
def test_a_stranger_s_forwarding_headers_count_for_nothing(shared_lab: Lab, name: str) -> None:
    for value in ("127.0.0.1", "evil.example", "https", "/evil", "for=127.0.0.1;host=evil.example;proto=https"):
        answer = shared_lab.client(**{name: value, "accept": "text/html"}).get("/sign-in")
        assert answer.status_code == 200 and "evil" not in answer.text
        refused(shared_lab.client(**{name: value}).get("/api/me"), "access_needed", 401)


TRUSTED = (ip_network("10.0.0.0/8"),)
HOPS = {
    "9.9.9.9": "9.9.9.9",
    "1.1.1.1, 9.9.9.9": "9.9.9.9",
    "1.1.1.1, 9.9.9.9, 10.0.0.7": "9.9.9.9",
    "127.0.0.1, 9.9.9.9, 10.0.0.7, 10.0.0.8": "9.9.9.9",
    "evil, 9.9.9.9": "9.9.9.9",
    "9.9.9.9, evil": "10.0.0.1",
    "": "10.0.0.1",
    ",,": "10.0.0.1",
    "[2001:db8::1]:443": "2001:db8::1",
    "9.9.9.9:4711": "9.9.9.9",
    "10.0.0.9": "10.0.0.9",
}


@pytest.mark.parametrize("hops", HOPS)
def test_only_hops_of_trusted_proxies_count(hops: str) -> None:
    import asyncio

    from lab.server.forwarded import Forwarded
    from lab.settings import Settings

    seen: list[str] = []

    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        seen.append(scope["client"][0])
        assert all(name not in FORWARDING for name, _ in scope["headers"])

    scope = {
        "type": "http",
        "path": "/",
        "client": ("10.0.0.1", 1),
        "headers": [(b"host", b"x"), (b"x-forwarded-for", hops.encode())],
    }
    asyncio.run(Forwarded(app, Settings(password="x", trusted_proxies=TRUSTED))(scope, None, None))  # type: ignore[arg-type]
    assert seen == [HOPS[hops]]


@pytest.mark.parametrize(
    "prefix", ["//evil.example", "/a/../b", "/<script>", "evil", "/a\tb", "/a?b", "/a#b", "/%2e%2e", "http://evil"]
)
def test_a_prefix_that_is_no_path_counts_for_nothing(prefix: str) -> None:
    import asyncio

    from lab.server.forwarded import Forwarded, root_of
    from lab.settings import Settings

    seen: list[str] = []

    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        seen.append(root_of(scope))

    scope = {
        "type": "http",
        "path": "/",
        "client": ("10.0.0.1", 1),
        "headers": [(b"x-forwarded-prefix", prefix.encode())],
    }
    asyncio.run(Forwarded(app, Settings(password="x", trusted_proxies=TRUSTED))(scope, None, None))  # type: ignore[arg-type]
    assert seen == [""]


# ---- cookies and sessions


def cookies(lab: Lab) -> dict[str, str]:
    """Cookies that somebody made up or changed."""
    good = lab.cookie(Access.VIEWER)
    owner = {"id": "owner", "session": "x", "stamp": ""}
    signed = {
        "another key": URLSafeTimedSerializer("another", salt=b"lab.session").dumps(owner),
        "another purpose": URLSafeTimedSerializer((lab.settings.home / KEY_FILE).read_text(), salt=b"lab.other").dumps(
            owner
        ),
    }
    head, _, tail = good.partition(".")
    return signed | {
        "empty": "", "blank": " ", "half": good[: len(good) // 2], "signature cut": good[:-1], "signature longer": good + "A",
        "twice": good + good, "another body": "e30" + "." + tail, "no dots": good.replace(".", ""), "body alone": head,
        "none": "null", "json": '{"id":"owner"}', "long": "a" * 3000, "quotes": '"owner"', "upper case": good.upper(),
    }  # fmt: skip


KINDS = ("another key", "another purpose", "empty", "blank", "half", "signature cut", "signature longer", "twice", "another body",
    "no dots", "body alone", "none", "json", "long", "quotes", "upper case")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_cookie_that_was_not_given_opens_nothing(shared_lab: Lab, kind: str) -> None:
    made = cookies(shared_lab)
    assert set(made) == set(KINDS)
    refused(shared_lab.client().get("/api/me", headers={"cookie": f"{COOKIE}={made[kind]}"}), "access_needed", 401)


@pytest.mark.parametrize(
    "user_id", ["owner", "u-0000000000000000", "g-0000000000000000", "h-1", "", "../owner", "u-", "\x1b[2J"]
)
def test_a_session_with_a_good_signature_and_a_stamp_of_nobody(shared_lab: Lab, user_id: str) -> None:
    key = (shared_lab.settings.home / KEY_FILE).read_text().strip()
    for stamp in ("", "0" * 16, None, 5, ["x"]):
        cookie = URLSafeTimedSerializer(key, salt=b"lab.session").dumps(
            {"id": user_id, "session": "x", "stamp": stamp, "name": "x"}
        )
        assert shared_lab.client().get("/api/me", headers={"cookie": f"{COOKIE}={cookie}"}).status_code == 401


@pytest.mark.parametrize("access", [Access.VIEWER, Access.ANNOTATOR, Access.OWNER])
def test_a_copied_cookie_ends_with_the_session(shared_lab: Lab, access: Access) -> None:
    cookie = {"cookie": f"{COOKIE}={shared_lab.cookie(access)}"}
    thief = shared_lab.client()
    assert thief.get("/api/me", headers=cookie).status_code == 200
    assert shared_lab.client(origin=AWAY).post("/sign-out", headers=cookie).status_code == 303
    assert thief.get("/api/me", headers=cookie).status_code == 401


def test_an_ended_session_stays_ended_after_a_restart(make_lab: Make) -> None:
    lab = make_lab(host="0.0.0.0", password=PASSWORD, guests=True)
    client = lab.client(origin=AWAY)
    cookie = client.post("/sign-in/guest", data={"name": "Ana"}).headers["set-cookie"].partition(";")[0]
    lab.client(origin=AWAY).post("/sign-out", headers={"cookie": cookie})
    again = make_lab(host="0.0.0.0", password=PASSWORD, guests=True)
    assert again.client().get("/api/me", headers={"cookie": cookie}).status_code == 401
    assert again.client(origin=AWAY).post("/sign-in/guest", data={"name": "Ana"}).status_code == 303


def test_the_cookie_is_for_tls_where_the_browser_speaks_it(make_lab: Make) -> None:
    lab = make_lab(password=PASSWORD, trusted_proxies=(ip_network("127.0.0.0/8"),))
    for headers, secure in (
        ({}, False),
        ({"x-forwarded-proto": "https"}, True),
        ({"x-forwarded-proto": "http"}, False),
    ):
        client = lab.client(base=HERE, **headers)
        client._transport.client = ("127.0.0.1", 50000)  # type: ignore[attr-defined]
        cookie = client.post("/sign-in", data={"password": PASSWORD}).headers["set-cookie"]
        assert ("Secure" in cookie) is secure, headers


def test_a_clock_that_jumps_lets_nobody_in_and_frees_no_rate(shared_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = {"cookie": f"{COOKIE}={shared_lab.cookie(Access.OWNER)}"}
    now = time.time()
    for jump, status in ((400 * 86_400, 401), (60, 200)):
        monkeypatch.setattr("time.time", lambda jump=jump: now + jump)
        assert shared_lab.client().get("/api/me", headers=cookie).status_code == status
    limits = shared_lab.client(origin=AWAY)
    for number in range(11):
        limits.post("/sign-in", data={"password": f"no {number}"})
    monkeypatch.setattr("time.time", lambda: now + 86_400)
    assert limits.post("/sign-in", data={"password": "no"}).status_code == 429


# ---- addresses

PATHS = (
    *(
        "/api/runs/..%2f..%2fetc%2fpasswd",
        "/api/runs/%00",
        "/api/runs/%0a",
        "/api//runs",
        "/API/runs",
        "/api/runs/../healthz/x",
    ),
    *(
        "/assets/..%2f..%2froutes.py",
        "/static/%2e%2e/%2e%2e/x",
        "/vendor/../../settings.py",
        "/judge/%2e%2e%2fapi",
        "/.env",
    ),
    *("/lab.db", "/secret_key", "/users.toml", "/gradio_api/file=/etc/passwd", "/gradio_api/file=http://evil.example/"),
    *(
        "/gradio_api/proxy=http://evil.example/",
        "/gradio_api/stream/x",
        "/docs",
        "/openapi.json",
        "/monitoring",
        "/gradio_api/deep_link",
    ),
    *("/api/runs/" + "a" * 5000, "/api/jobs/..%2f..%2fx", "/sign-in/..%2fapi%2fme", "/login", "/gradio_api/vibe-code"),
)


@pytest.mark.parametrize("path", PATHS)
def test_an_address_that_means_something_else(shared_lab: Lab, path: str) -> None:
    for access in (None, Access.VIEWER):
        answer = shared_lab.client(access).get(path)
        assert answer.status_code in (401, 403, 404, 405, 422), (path, answer.status_code)
        assert "root:" not in answer.text and "Traceback" not in answer.text


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example",
        "//evil.example",
        "/judge/../..//evil.example",
        "/judge\\evil",
        "javascript:1",
        "/judge?x",
    ],
)
def test_signing_in_leads_nowhere_else(shared_lab: Lab, to: str) -> None:
    answer = shared_lab.client(origin=AWAY).post("/sign-in", params={"to": to}, data={"password": PASSWORD})
    assert answer.headers["location"] in ("/", "/judge")


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml"])
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_browser_gets_a_page_with_the_sentence(shared_lab: Lab, accept: str, language: str) -> None:
    for headers, path in (({"host": "<script>"}, "/"), ({"origin": "https://<b>evil"}, "/sign-in")):
        answer = shared_lab.client(accept=accept, **{"accept-language": language}).post(path, headers=headers)
        assert answer.status_code == 403 and answer.text.startswith("<!doctype html>")
        assert "<script>" not in answer.text and "<b>evil" not in answer.text
        assert ("实验室" in answer.text) is (language == "zh-CN")
