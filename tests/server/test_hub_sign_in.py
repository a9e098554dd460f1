"""Signing in with an account on the Hub: who becomes what, in a window and in a frame, and what a stranger tries with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlparse

import httpx
import pytest
from starlette.testclient import TestClient

from lab.server.hub_sign_in import STATE_COOKIE
from lab.settings import HubSignIn, read_settings
from tests.openid import CLIENT, SECRET, Provider, providing
from tests.server.conftest import Lab, Make

SPACE = "lab-org-space.hf.space"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providing() as served:
        yield served


def a_lab(make_lab: Make, provider: Provider, **changes: Any) -> Lab:
    hub = HubSignIn(CLIENT, SECRET, provider=provider.url, author="lab-org")
    return make_lab(**({"host": "0.0.0.0", "space_host": SPACE, "hub": hub} | changes))


def window(lab: Lab) -> TestClient:
    """A browser whose address bar shows the Space's own host."""
    return lab.client(base=f"https://{SPACE}")


def agree(answer: Any) -> str:
    """Somebody agrees on the provider's page; where it sends the browser then, as path and query."""
    asked = answer.headers["location"]
    assert parse_qs(urlparse(asked).query)["redirect_uri"] == [f"https://{SPACE}/sign-in/hub/callback"]
    back = httpx.post(asked.replace("/oauth/authorize", "/oauth/agree")).headers["location"]
    return back.removeprefix(f"https://{SPACE}")


def signed_in(lab: Lab) -> TestClient:
    client = window(lab)
    answer = client.get(agree(client.get("/sign-in/hub")))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert all("SameSite=None; Secure; Partitioned" in cookie for cookie in answer.headers.get_list("set-cookie"))
    return client


CLAIMS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"preferred_username": "Lab-Org"}, "owner"),
    ({"orgs": [{"preferred_username": "lab-org", "roleInOrg": "admin"}]}, "owner"),
    ({"orgs": [{"preferred_username": "lab-org", "roleInOrg": "write"}]}, "annotator"),
    ({"orgs": [{"preferred_username": "other", "roleInOrg": "admin"}]}, "annotator"),
    ({"orgs": [{"name": "lab-org", "roleInOrg": "admin"}]}, "annotator"),
    ({"name": "lab-org"}, "annotator"),
    ({"orgs": "lab-org"}, "annotator"),
    ({"orgs": [None, 5]}, "annotator"),
    ({"preferred_username": "lab-org "}, "annotator"),
)


@pytest.mark.parametrize("number", range(len(CLAIMS)))
def test_the_author_and_the_organisation_s_administrators_are_owners(
    make_lab: Make, provider: Provider, number: int
) -> None:
    more, access = CLAIMS[number]
    provider.claims |= more
    me = signed_in(a_lab(make_lab, provider, guests=True)).get("/api/me").json()
    assert (me["access"], me["id"]) == (access, "h-abc123")


def test_a_lab_that_is_not_open_lets_its_owner_in_alone(make_lab: Make, provider: Provider) -> None:
    lab = a_lab(make_lab, provider)
    client = window(lab)
    answer = client.get(agree(client.get("/sign-in/hub")))
    assert (answer.status_code, answer.json()["error"]["key"]) == (403, "hub_sign_in_not_open")
    assert client.get("/api/me").status_code == 401
    provider.claims["preferred_username"] = "lab-org"
    assert signed_in(lab).get("/api/me").json()["access"] == "owner"


def test_another_author_of_the_space_ends_the_owner_s_session(make_lab: Make, provider: Provider) -> None:
    provider.claims["preferred_username"] = "lab-org"
    cookie = signed_in(a_lab(make_lab, provider)).cookies["lab_session"]
    other = a_lab(make_lab, provider, hub=HubSignIn(CLIENT, SECRET, provider=provider.url, author="buyer"))
    assert window(other).get("/api/me", headers={"cookie": f"lab_session={cookie}"}).status_code == 401


@pytest.mark.parametrize("wrong", ["state", "code", "no cookie", "another browser's cookie", "twice"])
def test_a_callback_that_was_not_begun_here_signs_nobody_in(make_lab: Make, provider: Provider, wrong: str) -> None:
    lab = a_lab(make_lab, provider, guests=True)
    client = window(lab)
    path = agree(client.get("/sign-in/hub"))
    if wrong == "state":
        path = path.replace("state=", "state=x")
    elif wrong == "code":
        path = path.replace("code=", "code=x")
    elif wrong == "no cookie":
        client.cookies.clear()
    elif wrong == "another browser's cookie":
        other = window(lab)
        other.get("/sign-in/hub")
        client.cookies.clear()
        client.cookies.set(STATE_COOKIE, other.cookies[STATE_COOKIE])
    else:
        assert client.get(path).status_code == 303
        client = window(lab)
    answer = client.get(path)
    assert answer.status_code == 403 and "lab_session" not in answer.headers.get("set-cookie", "")
    assert client.get("/api/me").status_code == 401


@pytest.mark.parametrize("claims", [{}, {"sub": 5}, {"sub": ""}, {"sub": "../x"}, [], "x", {"sub": "a" * 100}])
def test_claims_that_name_nobody(make_lab: Make, provider: Provider, claims: Any) -> None:
    provider.claims = claims
    client = window(a_lab(make_lab, provider, guests=True))
    assert client.get(agree(client.get("/sign-in/hub"))).status_code == 403


def test_a_hub_that_is_away_is_a_sentence(make_lab: Make, provider: Provider) -> None:
    provider.down = True
    answer = window(a_lab(make_lab, provider)).get("/sign-in/hub", headers={"accept": "text/html"})
    assert answer.status_code == 503 and "does not answer" in answer.text


# ---- in a frame


def frame(lab: Lab) -> TestClient:
    """The Space's frame on the Hub's page: it keeps its cookies to itself."""
    client = lab.client(base=f"https://{SPACE}", **{"sec-fetch-dest": "iframe", "origin": f"https://{SPACE}"})
    assert 'action="/sign-in/hub/frame"' in client.get("/sign-in").text
    assert client.post("/sign-in/hub/frame").headers["location"] == "/sign-in/hub/frame"
    return client


def part(page: str, begins: str) -> str:
    return page.partition(begins)[2].partition('"')[0]


def test_a_frame_is_signed_in_by_a_window_that_confirms_its_number(make_lab: Make, provider: Provider) -> None:
    provider.claims["preferred_username"] = "lab-org"
    lab = a_lab(make_lab, provider)
    inside, outside = frame(lab), lab.client(base=f"https://{SPACE}", origin=f"https://{SPACE}")
    waits = inside.get("/sign-in/hub/frame").text
    number = waits.partition('hub-number" >')[2][:4]
    assert number.isdigit() and 'http-equiv="refresh"' in waits
    path = part(waits, 'class="act" href="')
    assert path.startswith("/sign-in/hub?ticket=")
    confirm = outside.get(agree(outside.get(path)))
    assert number in confirm.text and "lab_session" not in outside.cookies, "the window itself is not signed in"
    assert inside.get("/sign-in/hub/frame").status_code == 200, "not before it is confirmed"
    done = outside.post("/sign-in/hub/confirm", data={"sealed": part(confirm.text, 'name="sealed" value="')})
    assert done.status_code == 200
    assert inside.get("/sign-in/hub/frame").headers["location"] == "/"
    assert inside.get("/api/me").json()["access"] == "owner"
    assert inside.get("/sign-in/hub/frame").headers["location"] == "/sign-in", "the ticket is used up"


@pytest.mark.parametrize("sealed", ["", "x", "e30.x.y"])
def test_a_confirmation_that_was_made_up(make_lab: Make, provider: Provider, sealed: str) -> None:
    lab = a_lab(make_lab, provider)
    client = lab.client(base=f"https://{SPACE}", origin=f"https://{SPACE}")
    assert client.post("/sign-in/hub/confirm", data={"sealed": sealed}).status_code == 403


def test_another_site_cannot_confirm(make_lab: Make, provider: Provider) -> None:
    client = a_lab(make_lab, provider).client(base=f"https://{SPACE}", origin="https://huggingface.co")
    assert client.post("/sign-in/hub/confirm", data={"sealed": "x"}).status_code == 403
    assert client.post("/sign-in/hub/frame").status_code == 403


def test_what_a_space_sets_is_read() -> None:
    given = {"SPACE_ID": "lab-org/space", "SPACE_HOST": SPACE, "OAUTH_CLIENT_ID": CLIENT, "OAUTH_CLIENT_SECRET": SECRET}
    settings = read_settings(
        [], given | {"OAUTH_SCOPES": "openid profile", "OPENID_PROVIDER_URL": "https://huggingface.co"}
    )
    assert settings.hub == HubSignIn(CLIENT, SECRET, author="lab-org") and settings.sign_in
    assert SECRET not in repr(settings)
    assert read_settings([], {name: value for name, value in given.items() if name != "SPACE_ID"}).hub is None
