"""The lab's connection to a Ray cluster: Ray Client for calls, Ray's Jobs API for what is to go on without us.

For processes of their own (``proxy.py``, ``status.py``): the page never imports ray. Each call has a time limit, and what ray raises becomes a
LabError. The Jobs API answers on the head alone, so it is called there, by a task; one address is all that the lab needs.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import signal
import socket
import zipfile
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from lab.errors import MachineError
from lab.runs.launcher import ROOT
from lab.runs.ray import head
from lab.runs.ray.agent import CACHE
from lab.runs.ray.job import NAMESPACE, agent_name

PATIENCE = 180.0
"""Seconds that a call may take: on a busy machine Ray needs a minute to start a process. A cluster that is gone is noticed sooner, by its
connection."""
LISTENS = 10.0
"""Seconds that a host may take to accept a connection."""
CODE = ("lab", "presets/tiny/base")
"""What of the checkout a worker needs."""
NOT_CODE = frozenset({"ui", "server", "classroom", "commands", "__pycache__"})
"""Folders of ``lab`` that no worker imports."""
ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
"""The states in which a job has ended."""


class ClusterGone(MachineError):
    """The cluster does not answer."""


class NobodyListens(ClusterGone):
    """No process accepts connections there."""


class AgentGone(MachineError):
    """The process that a run's agent lived in has died, or its node has."""


class Connection:
    """One connection to the cluster at ``ray://HOST:PORT``; closed with ``with``."""

    def __init__(self, address: str) -> None:
        """Raises MachineError ``ray_missing`` where the package is not installed, ClusterGone where nobody answers."""
        self.address = address
        if find_spec("ray") is None:
            raise MachineError("ray_missing", value=address)
        self._require_listener()
        import ray

        self._ray = ray
        on_sigterm = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(address, namespace=NAMESPACE, logging_level=logging.ERROR, log_to_driver=False)
        except Exception as error:  # ConnectionError, RuntimeError (other versions), ValueError, grpc's own
            if "version" in str(error).lower():  # it will be another one for ever
                raise MachineError("ray_no_answer", value=address, why=_first_line(error)) from error
            raise ClusterGone("ray_no_answer", value=address, why=_first_line(error)) from error
        finally:
            signal.signal(signal.SIGTERM, on_sigterm)  # ray has put its own there, which exits
        ray.cloudpickle.register_pickle_by_value(head)

    def _require_listener(self) -> None:
        """Ray would try for half a minute where nobody listens."""
        host, _, port = self.address.removeprefix("ray://").rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), LISTENS).close()
        except OSError as error:
            raise NobodyListens("ray_no_answer", value=self.address, why=error.strerror or str(error)) from error

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):
            self._ray.shutdown()

    # ---- jobs

    def submit(self, attempt: str, processes: int, cpus: int, gpus: int) -> bool:
        """Submit the job of one attempt, with the lab's code, which goes to the head once for each content.

        False where a head that has just started takes no jobs yet. Raises MachineError ``ray_refused``.
        """
        code = packed_code()
        name = hashlib.sha256(code).hexdigest()
        if not self._on_head(head.has_code, name):
            self._on_head(head.keep_code, name, code)
        arguments = f"{attempt} {processes} {cpus} {gpus}"
        return bool(self._on_head(head.submit, attempt, f"lab.runs.ray.job {arguments}", name))

    def job(self, attempt: str) -> tuple[str, str]:
        """The state of an attempt's job, and what Ray says of it; ``("", "")`` where the cluster knows of none."""
        state, message = self._on_head(head.job_state, attempt)
        return str(state), str(message)

    def stop_job(self, attempt: str) -> None:
        """End the job, its agents and its workers."""
        self._on_head(head.stop, attempt)

    def _on_head(self, function: Callable[..., Any], *arguments: Any) -> Any:
        task = self._ray.remote(function).options(num_cpus=0, resources={"node:__internal_head__": 0.001})
        try:
            return self._answer(lambda: task.remote(*arguments))
        except RuntimeError as error:  # the Jobs API's own
            raise MachineError("ray_refused", value=self.address, why=_first_line(error)) from error

    # ---- agents

    def agent(self, attempt: str, rank: int) -> Agent | None:
        """The agent of a process; None while there is none."""
        try:
            return Agent(self, self._ray.get_actor(agent_name(attempt, rank), namespace=NAMESPACE))
        except ValueError:
            return None
        except Exception as error:
            raise ClusterGone("ray_no_answer", value=self.address, why=_first_line(error)) from error

    def resources(self) -> tuple[dict[str, float], dict[str, float], int]:
        """The cluster's resources, those that are free, and how many nodes it has."""
        try:
            nodes = sum(node["Alive"] for node in self._ray.nodes())
            return self._ray.cluster_resources(), self._ray.available_resources(), nodes
        except Exception as error:
            raise ClusterGone("ray_no_answer", value=self.address, why=_first_line(error)) from error

    def _answer(self, call: Callable[[], Any]) -> Any:
        """What a call gives. Raises ClusterGone, AgentGone, or what the called function raised itself."""
        exceptions = self._ray.exceptions
        try:
            return self._ray.get(call(), timeout=PATIENCE)
        except exceptions.RayActorError as error:
            raise AgentGone("ray_node_lost", why=_first_line(error)) from error
        except exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error  # noqa: B904
        except (exceptions.RayError, ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            raise ClusterGone("ray_no_answer", value=self.address, why=_first_line(error)) from error


class Agent:
    """An agent on the cluster (``agent.NodeAgent``): each method is a call that waits for its answer."""

    def __init__(self, connection: Connection, actor: Any) -> None:
        self._connection, self._actor = connection, actor

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the agent's. Raises ClusterGone, AgentGone, MachineError ``ray_disk_full``, or what it raised itself."""
        try:
            return self._connection._answer(lambda: self._actor.call.remote(method=method, arguments=arguments))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise MachineError("ray_disk_full", path=error.filename or CACHE) from error
            raise


def packed_code() -> bytes:
    """The lab's code as a zip file in which nothing but its content counts: the same bytes wherever and whenever it is made."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in CODE:
            for path in sorted((ROOT / part).rglob("*")):
                within = path.relative_to(ROOT)
                if path.is_file() and not NOT_CODE & set(within.parts[1:-1]):
                    entry = zipfile.ZipInfo(within.as_posix())
                    entry.external_attr = 0o644 << 16
                    archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300] if lines else ''}"
