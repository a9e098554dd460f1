"""Flags and environment become one Settings, or one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import InputError, LabError
from lab.settings import Settings, parser, read_settings
from lab.words import say


def test_plain_start_listens_on_this_machine_only() -> None:
    settings = read_settings([], {})
    assert settings == Settings("127.0.0.1", 7860, Path("lab_home"))
    assert settings.loopback
    assert not settings.sign_in
    assert settings.url == "http://127.0.0.1:7860"


def test_a_flag_wins_over_the_environment() -> None:
    environment = {"LAB_PORT": "8000", "LAB_HOME": "/tmp/a-lab", "LAB_HOST": "localhost"}
    settings = read_settings(["--port", "9000"], environment)
    assert (settings.host, settings.port, settings.home) == ("localhost", 9000, Path("/tmp/a-lab"))


def test_an_empty_variable_is_no_value() -> None:
    assert read_settings([], {"LAB_PORT": "", "LAB_HOST": "", "LAB_PASSWORD": ""}) == Settings()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "lab.example", "128.0.0.1"])
def test_another_address_is_not_loopback(host: str) -> None:
    assert not read_settings(["--host", host], {}).loopback  # what it needs: tests/store/test_users.py


@pytest.mark.parametrize(("environment", "guests"), [({"LAB_OPEN": "annotate"}, True), ({"LAB_OPEN": ""}, False)])
def test_visitors_may_be_let_in(environment: dict[str, str], guests: bool) -> None:
    settings = read_settings([], environment)
    assert (settings.guests, settings.sign_in) == (guests, guests)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost"])
def test_loopback_is_known(host: str) -> None:
    assert read_settings(["--host", host], {}).loopback


@pytest.mark.parametrize(
    ("environment", "key", "source"),
    [
        ({"LAB_PORT": "http"}, "setting_port", "LAB_PORT"),
        ({"LAB_PORT": "0"}, "setting_port", "LAB_PORT"),
        ({"LAB_PORT": "65536"}, "setting_port", "LAB_PORT"),
        ({"LAB_PORT": "-1"}, "setting_port", "LAB_PORT"),
        ({"LAB_PORT": "٧٨"}, "setting_port", "LAB_PORT"),
        ({"LAB_HOST": "http://127.0.0.1"}, "setting_host", "LAB_HOST"),
        ({"LAB_HOST": "127.0.0.1:7860"}, "setting_host", "LAB_HOST"),
        ({"LAB_HOME": __file__}, "setting_home", "LAB_HOME"),
        ({"LAB_ALLOW_UNSAFE_DISK": "perhaps"}, "setting_switch", "LAB_ALLOW_UNSAFE_DISK"),
        ({"LAB_OPEN": "owner"}, "setting_open", "LAB_OPEN"),
        ({"LAB_OPEN": "1"}, "setting_open", "LAB_OPEN"),
    ],
)
def test_what_cannot_be_used_names_its_source(environment: dict[str, str], key: str, source: str) -> None:
    with pytest.raises(InputError) as caught:
        read_settings([], environment)
    assert caught.value.key == key
    assert caught.value.params == {"source": source, "value": environment[source]}


def test_a_bad_flag_names_the_flag() -> None:
    with pytest.raises(LabError) as caught:
        read_settings(["--port", "x"], {"LAB_PORT": "1"})
    assert caught.value.params["source"] == "--port"


def test_the_password_is_never_shown() -> None:
    assert "hush" not in repr(read_settings([], {"LAB_PASSWORD": "hush"}))


def test_a_space_is_recognised() -> None:
    environment = {"LAB_HOST": "0.0.0.0", "LAB_PASSWORD": "x", "SPACE_ID": "a/b", "SPACE_HOST": "a-b.hf.space"}
    assert read_settings([], environment).space_host == "a-b.hf.space"
    assert not read_settings([], {"SPACE_HOST": "a-b.hf.space"}).on_space


def test_help_tells_of_flags_and_environment() -> None:
    text = parser(lambda key: say(f"help.app.{key}")).format_help()
    for word in ("--host", "--port", "--home", "LAB_PASSWORD", "LAB_OPEN", "LAB_ALLOW_UNSAFE_DISK", "LAB_HOME"):
        assert word in text


def test_trusted_rules_are_a_file_that_is_there(tmp_path: Path) -> None:
    assert read_settings([], {}).trusted_rules is None
    file = tmp_path / "rules.py"
    with pytest.raises(InputError, match="setting_file"):
        read_settings(["--trusted-rules", str(file)], {})
    file.touch()
    assert read_settings([], {"LAB_TRUSTED_RULES": str(file)}).trusted_rules == file


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        *[("LAB_HOSTS", value, "setting_hosts") for value in ("http://x", "x:80", "a b", "*", "x/y", "<x>")],
        *[
            ("LAB_TRUSTED_PROXIES", value, "setting_proxies")
            for value in ("proxy.example", "10.0.0.1/8", "10.0.0.0/40", "*")
        ],
        *[("LAB_ROOT_PATH", value, "setting_root_path") for value in ("lab", "//x", "/a b", "/<x>", "http://x/lab")],
        *[
            ("LAB_RAY_ADDRESS", value, "setting_ray")
            for value in ("head", "http://head:8265", "ray://head", "ray://u@head:1", "ray://head:0")
        ],
        *[("LAB_BACKUP", value, "setting_backup") for value in ("name", "a/b/c", "../x", "org/ name", "https://x/y")],
    ],
)
def test_what_hosting_needs_is_checked(name: str, value: str, key: str) -> None:
    with pytest.raises(InputError) as caught:
        read_settings([], {name: value})
    assert caught.value.key == key and caught.value.params["value"] in value


def test_what_hosting_needs() -> None:
    given = {"LAB_HOSTS": "Lab.example.org, *.example.net", "LAB_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8"}
    settings = read_settings([], given | {"LAB_ROOT_PATH": "/lab/", "LAB_BACKUP": "org/name"})
    assert settings.hosts == {"lab.example.org", "*.example.net"}
    assert [str(network) for network in settings.trusted_proxies] == ["127.0.0.1/32", "10.0.0.0/8"]
    assert (settings.root_path, settings.backup) == ("/lab", "org/name")
    assert read_settings([], {}).trusted_proxies == ()
