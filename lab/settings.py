"""``LAB_*`` environment and flags → one ``Settings`` object. Reads no files, opens nothing, and knows no other room.

A flag wins over its environment variable, and that over the default. What cannot be used is an ``InputError`` that
names where the value came from. Whether it is safe to start with them is not decided here (``lab/store/users.py``).
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import __version__
from lab.errors import InputError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SPACE_PROXIES = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "::1/128", "fc00::/7")
"""Where the proxies of a Space stand: nobody else reaches a Space's container."""
_ROOT = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_HOST_NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
_RAY = re.compile(r"ray://([^/@:\s]+|\[[^/@\s]+\]):(\d{1,5})")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True)
class HubSignIn:
    """What a Space is given to sign people in with their Hub account (``hf_oauth: true`` in its README)."""

    client_id: str
    client_secret: str = field(repr=False)
    provider: str = "https://huggingface.co"
    scopes: str = "openid profile"
    author: str = ""
    """The user or organisation that the Space belongs to."""


@dataclass(frozen=True)
class RaySettings:
    """The Ray cluster that runs go to (``lab/runs/ray``)."""

    address: str
    """``LAB_RAY_ADDRESS``: ``ray://HOST:PORT`` of its Ray Client server, port 10001 unless it was started with another."""
    cpus: int = 1
    """``LAB_RAY_CPUS``: the CPUs, and threads, of each process of a run."""


@dataclass(frozen=True)
class Settings:
    """What the lab was started with."""

    host: str = "127.0.0.1"
    port: int = 7860
    home: Path = Path("lab_home")
    password: str | None = field(default=None, repr=False)
    guests: bool = False
    """``LAB_OPEN=annotate`` or ``class``: visitors may come in as annotators, under a name of their choice."""
    classroom: bool = False
    """``LAB_OPEN=class``: guests may also submit rule sets and start tiny presets within a quota (``lab/classroom``)."""
    registered: bool = False
    """Whether the home's password file names somebody; only ``lab/store/users.py`` looks."""
    trusted_rules: Path | None = None
    """A Python file whose functions become rules; it is run with everything that this machine has (``lab/sandbox/trusted.py``)."""
    allow_unsafe_disk: bool = False
    spare_worker: bool = True
    """Whether a worker waits with its libraries loaded (``lab/runs/standby.py``)."""
    space_host: str | None = None
    """The public host name on a Hugging Face Space (the page then lives in an iframe); None anywhere else."""
    hosts: frozenset[str] = frozenset()
    """``LAB_HOSTS``: names that the lab answers under besides the machine's own."""
    trusted_proxies: tuple[Network, ...] = ()
    """``LAB_TRUSTED_PROXIES``: from nobody else do X-Forwarded-* headers count."""
    root_path: str = ""
    """``LAB_ROOT_PATH``: the path that a proxy has put the lab under, ``/lab``, or empty."""
    backup: str | None = None
    """``LAB_BACKUP``: the Hub dataset that the lab's work is backed up to (``lab/runs/hub_backup.py``)."""
    ray: RaySettings | None = None
    """``LAB_RAY_ADDRESS``: the cluster that runs go to; None where they stay on this machine."""
    hub: HubSignIn | None = None
    """How people sign in with their Hub account, on a Space that allows it."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the lab."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def sign_in(self) -> bool:
        """Whether people have to sign in; without it, the one user is the owner."""
        return self.password is not None or self.guests or self.registered or self.hub is not None

    @property
    def on_space(self) -> bool:
        return self.space_host is not None

    @property
    def url(self) -> str:
        """The address to open on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def parser(explain: Callable[[str], str] = str) -> argparse.ArgumentParser:
    """The flags of ``python app.py``; without defaults, so that an absent flag leaves the word to the environment.

    ``explain`` words what ``--help`` says, by key: this module knows no tables.
    """
    flags = argparse.ArgumentParser(
        prog="python app.py",
        description=explain("description"),
        epilog=explain("epilog"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    flags.add_argument("--host", help=explain("host"))
    flags.add_argument("--port", help=explain("port"))
    flags.add_argument("--home", metavar="DIR", help=explain("home"))
    flags.add_argument("--trusted-rules", metavar="FILE.py", help=explain("trusted_rules"))
    flags.add_argument("--version", action="version", version=f"Alignment Lab {__version__}", help=explain("version"))
    return flags


def read_settings(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    explain: Callable[[str], str] = str,
) -> Settings:
    """Settings from flags and environment (the process's own where not given); raises InputError."""
    environment = os.environ if environment is None else environment
    flags = parser(explain).parse_args(arguments)
    host, host_from = _given("--host", flags.host, "LAB_HOST", environment, "127.0.0.1")
    port, port_from = _given("--port", flags.port, "LAB_PORT", environment, "7860")
    home, home_from = _given("--home", flags.home, "LAB_HOME", environment, "lab_home")
    trusted, trusted_from = _given("--trusted-rules", flags.trusted_rules, "LAB_TRUSTED_RULES", environment, "")
    return Settings(
        host=_host(host, host_from),
        port=_port(port, port_from),
        home=_home(home, home_from),
        password=environment.get("LAB_PASSWORD") or None,
        guests=_open("LAB_OPEN", environment) != "",
        classroom=_open("LAB_OPEN", environment) == "class",
        trusted_rules=_file(trusted, trusted_from) if trusted else None,
        allow_unsafe_disk=_switch("LAB_ALLOW_UNSAFE_DISK", environment),
        spare_worker=_switch("LAB_SPARE_WORKER", environment, "1"),
        space_host=environment.get("SPACE_HOST", "") if environment.get("SPACE_ID") else None,
        hosts=frozenset(_host_name(name) for name in _list("LAB_HOSTS", environment)),
        trusted_proxies=_proxies(environment),
        root_path=_root_path(environment.get("LAB_ROOT_PATH", "")),
        backup=_repository(environment.get("LAB_BACKUP", "")),
        ray=read_ray(environment),
        hub=_hub(environment),
    )


def read_ray(environment: Mapping[str, str]) -> RaySettings | None:
    """The cluster that the environment names; None where it names none. Raises InputError."""
    address, cpus = environment.get("LAB_RAY_ADDRESS", "").strip(), environment.get("LAB_RAY_CPUS", "").strip() or "1"
    if not address:
        return None
    match = _RAY.fullmatch(address)
    if match is None or not _HOST_NAME.fullmatch(match[1].lower()) or not 1 <= int(match[2]) <= 65535:
        raise InputError("setting_ray", value=address)
    if not (cpus.isascii() and cpus.isdigit() and 1 <= int(cpus) <= 1024):
        raise InputError("setting_ray_cpus", value=cpus)
    return RaySettings(address, int(cpus))


def _list(name: str, environment: Mapping[str, str]) -> list[str]:
    return [part.strip() for part in environment.get(name, "").split(",") if part.strip()]


def _host_name(name: str) -> str:
    if not _HOST_NAME.fullmatch(name.lower()):
        raise InputError("setting_hosts", value=name)
    return name.lower()


def _proxies(environment: Mapping[str, str]) -> tuple[Network, ...]:
    names = _list("LAB_TRUSTED_PROXIES", environment) or (SPACE_PROXIES if environment.get("SPACE_ID") else ())
    networks: list[Network] = []
    for name in names:
        try:
            networks.append(ipaddress.ip_network(name))
        except ValueError as error:
            raise InputError("setting_proxies", value=name) from error
    return tuple(networks)


def _root_path(value: str) -> str:
    root = value.strip().rstrip("/")
    if not _ROOT.fullmatch(root):
        raise InputError("setting_root_path", value=value)
    return root


def _repository(value: str) -> str | None:
    if value and not _REPOSITORY.fullmatch(value):
        raise InputError("setting_backup", value=value)
    return value or None


def _hub(environment: Mapping[str, str]) -> HubSignIn | None:
    client, secret = environment.get("OAUTH_CLIENT_ID"), environment.get("OAUTH_CLIENT_SECRET")
    if not (environment.get("SPACE_ID") and client and secret):
        return None
    given = HubSignIn(client, secret)
    return HubSignIn(
        client,
        secret,
        provider=(environment.get("OPENID_PROVIDER_URL") or given.provider).rstrip("/"),
        scopes=environment.get("OAUTH_SCOPES") or given.scopes,
        author=environment.get("SPACE_AUTHOR_NAME") or environment["SPACE_ID"].partition("/")[0],
    )


def _given(
    flag: str, flag_value: str | None, name: str, environment: Mapping[str, str], default: str
) -> tuple[str, str]:
    """The value that counts, and the name of what gave it, for the error."""
    if flag_value is not None:
        return flag_value, flag
    return environment.get(name) or default, name


def _host(value: str, source: str) -> str:
    host = value.strip().strip("[]")
    # A name, an IPv4 or an IPv6 address; a scheme, a port or a space in it is the usual slip.
    if not host or any(c in host for c in "/@ \t") or (":" in host and not _is_ipv6(host)):
        raise InputError("setting_host", source=source, value=value)
    return host


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _port(value: str, source: str) -> int:
    if not value.strip().isascii() or not value.strip().isdigit() or not 1 <= int(value) <= 65535:
        raise InputError("setting_port", source=source, value=value)
    return int(value)


def _home(value: str, source: str) -> Path:
    home = Path(value).expanduser()
    if "\0" in value or (home.exists() and not home.is_dir()):
        raise InputError("setting_home", source=source, value=value)
    return home


def _file(value: str, source: str) -> Path:
    file = Path(value).expanduser().absolute()
    if "\0" in value or not file.is_file():
        raise InputError("setting_file", source=source, value=value)
    return file


def _switch(name: str, environment: Mapping[str, str], default: str = "") -> bool:
    word = environment.get(name, default).strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise InputError("setting_switch", source=name, value=environment[name])


def _open(name: str, environment: Mapping[str, str]) -> str:
    word = environment.get(name, "").strip().lower()
    if word not in ("", "annotate", "class"):
        raise InputError("setting_open", source=name, value=environment[name])
    return word
