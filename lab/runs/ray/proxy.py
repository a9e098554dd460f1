"""The local process that stands for a worker on a Ray cluster: ``python -m lab.runs.ray.proxy RUN_DIR``.

To the lab it is a worker like any other: it holds the run's slot, outlives the app, is found again by its pid, obeys the stop file and SIGTERM,
and ends as its worker did, by the same exit status or signal. In between it submits the job, sends the run's files, and mirrors what the
worker writes. Where it is killed, the job goes on; a resume finds it by ``ray.json`` and goes on mirroring.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from lab.core.recipes import Device, parse
from lab.errors import LabError, MachineError
from lab.runs.ray.connection import ENDED, Agent, AgentGone, ClusterGone, Connection, NobodyListens
from lab.runs.ray.mirror import Mirror
from lab.runs.ray.needs import parcel_of
from lab.runs.ray.note import noted, write_note
from lab.runs.ray.parcel import PIECE
from lab.store.run_folder import SPENT, RunFolder
from lab.words.cluster import wanted

EXITS = {"finished": 0, "failed": 1, "stopped": 3}
"""The exit status of a worker, by the state in its result.json."""
GLANCE = 0.3
"""Seconds between two looks at the agents."""
LOST_AFTER = 60.0
"""Seconds without an answer after which the cluster counts as gone."""
READY = 600.0
"""Seconds in which a head that has just started must take a job."""
BUSY_FOR = 240.0
"""The same, where it accepts connections and does no more: a busy head needs a while to start a process for us."""
GRACE = 10.0
"""Seconds from SIGTERM to SIGKILL for the workers: fewer than whoever stops the run waits for us."""
ADDRESS, CPUS = "LAB_RAY_ADDRESS", "LAB_RAY_CPUS"


class Proxy:
    """One attempt at one run."""

    def __init__(self, folder: RunFolder, address: str, cpus: int) -> None:
        self._folder, self._address, self._cpus = folder, address, cpus
        self._recipe = parse(folder.recipe()["recipe"], source=folder.path.name)
        self._note = noted(folder)
        self._answered = time.monotonic()
        self._ending: float | None = None
        self._stop_sent = False
        self._told_to_end: bool | None = None

    def end(self, _signal: int, _frame: FrameType | None) -> None:
        """SIGTERM: the run is to end now."""
        self._ending = self._ending or time.monotonic()

    def work(self) -> int:
        """The exit status of the run's worker; a negative one is a signal. Raises LabError."""
        self._beat()
        known, told = bool(self._note.get("attempt")), False
        while True:
            try:
                with Connection(self._address) as connection:
                    self._answered, known, told = time.monotonic(), True, False
                    return self._session(connection)
            except SystemExit:  # SIGTERM, as ray takes it while it connects
                self._ending = self._ending or time.monotonic()
            except (ClusterGone, AgentGone) as error:
                if (result := self._folder.result()) is not None:  # all is here; only its job was not told
                    return EXITS.get(str(result.get("state")), 1)
                if isinstance(error, AgentGone):
                    raise
                refused = isinstance(error, NobodyListens)
                if refused and not known:
                    raise
                silent = time.monotonic() - self._answered
                if silent > (LOST_AFTER if refused else BUSY_FOR) or self._ending is not None:
                    raise MachineError("ray_gone", value=self._address, seconds=round(silent)) from error
                if not told:
                    print(f"ray: no answer, tries again: {error}", flush=True)
                told = True
                time.sleep(1)

    # ---- one connection

    def _session(self, connection: Connection) -> int:
        self._submit(connection)
        agents = self._agents(connection)
        if agents is None:
            return self._withdraw(connection)
        try:
            where = [agent.call("where") for agent in agents]
            if not where[0]["began"]:
                self._send(agents)
            self._begin(agents, where)
            return self._follow(agents)
        except AgentGone:
            self._end_job(connection)
            raise
        except (OSError, ValueError) as error:  # of this machine or of a node: a full disk, mostly
            self._end_job(connection)
            if isinstance(error, OSError) and error.errno == 28:
                raise MachineError("disk_full", path=self._folder.path) from error
            raise

    def _submit(self, connection: Connection) -> None:
        """Submit the job, unless the one that the folder names still goes on."""
        attempt = str(self._note.get("attempt") or "")
        if attempt and self._note.get("address") == self._address:
            state, _ = connection.job(attempt)
            if state and state not in ENDED:
                print(f"ray: goes on with job {attempt}", flush=True)
                return
        number = int(self._note.get("number") or 0) + 1
        gpus = self._gpus(connection)
        attempt = f"lab-{self._folder.path.name}-{number}-{secrets.token_hex(3)}"
        self._write_note(
            version=1,
            address=self._address,
            attempt=attempt,
            number=number,
            processes=self._recipe.processes,
            cpus=self._cpus,
            gpus=gpus,
            nodes=[],
            placed=None,
            log=0,
        )
        deadline = time.monotonic() + READY
        while not connection.submit(attempt, self._recipe.processes, self._cpus, gpus):
            if self._ending is not None or self._folder.stop_requested():
                return
            if time.monotonic() > deadline:
                raise MachineError("ray_refused", value=self._address, why="No available agent to submit job")
            self._answered = time.monotonic()
            self._beat()
            time.sleep(1)
        print(f"ray: job {attempt} at {self._address} waits for {wanted(self._note)}", flush=True)

    def _gpus(self, connection: Connection) -> int:
        """GPUs a process: one where the cluster has any and the recipe does not want the CPU."""
        resources, _, _ = connection.resources()
        return int(self._recipe.device in (Device.AUTO, Device.CUDA) and resources.get("GPU", 0) >= 1)

    def _agents(self, connection: Connection) -> list[Agent] | None:
        """The agents, once the cluster has room for all. None where the run is to stop before. Raises MachineError ``ray_job_ended``."""
        attempt = self._note["attempt"]
        while self._ending is None and not (self._folder.stop_requested() and not self._note.get("placed")):
            agents = [connection.agent(attempt, rank) for rank in range(self._recipe.processes)]
            if all(agents):
                return [agent for agent in agents if agent is not None]
            state, message = connection.job(attempt)
            if state in ENDED:
                raise MachineError("ray_job_ended", job=attempt, state=state, why=_last_line(message))
            self._answered = time.monotonic()
            self._beat()
            time.sleep(GLANCE)
        return None

    def _withdraw(self, connection: Connection) -> int:
        """End a job that has not begun."""
        connection.stop_job(self._note["attempt"])
        self._write_note(attempt=None)
        if self._ending is not None:
            return -signal.SIGTERM
        self._result("stopped", None)
        return EXITS["stopped"]

    def _end_job(self, connection: Connection) -> None:
        with suppress(LabError):
            connection.stop_job(self._note["attempt"])
            self._write_note(attempt=None)

    # ---- files there

    def _send(self, agents: list[Agent]) -> None:
        """Send each agent what its node does not have, and have it laid out."""
        parcel, places = parcel_of(self._folder)
        sizes = {entry.sha256: entry.size for entry in parcel.entries}
        for agent in agents:
            sent = 0
            for sha256, there in agent.call("missing", list(sizes.items())):
                with places[sha256].open("rb") as file:
                    file.seek(there)
                    while there < sizes[sha256] or (there == 0 and sizes[sha256] == 0):
                        piece = file.read(PIECE)
                        sent += len(piece)
                        there = agent.call("put", sha256, there, piece, sizes[sha256])
                        self._answered = time.monotonic()
                        self._beat()
                        if not piece:
                            break
            agent.call("lay_out", parcel.as_values())
            print(f"ray: {len(sizes)} files for the run, {sent} bytes of them sent", flush=True)

    def _begin(self, agents: list[Agent], where: list[dict[str, Any]]) -> None:
        """Start the workers, and note where."""
        count = len(agents)
        for rank, agent in enumerate(agents):
            agent.call("begin", team_variables(rank, count, where[0]) if count > 1 else {})
        nodes = [{"host": place["host"], "address": place["address"]} for place in where]
        if not self._note.get("placed"):
            self._write_note(nodes=nodes, placed=time.time())
            print(
                f"ray: runs on {', '.join(sorted({node['host'] for node in nodes}))}, {wanted(self._note)}", flush=True
            )

    # ---- while it works

    def _follow(self, agents: list[Agent]) -> int:
        """Mirror the run until its processes have ended; the exit status."""
        paths = [(there, here) for here, there in agents[0].call("paths")]
        mirror = Mirror(self._folder, agents[0], paths)
        while True:
            news = [agent.call("news") for agent in agents]
            self._answered = time.monotonic()
            mirror.take(news[0])
            exits = [each["exit"] for each in news]
            if None not in exits:
                self._finish(agents, news, mirror, paths)
                return self._status(exits)
            if any(status not in (None, 0) for status in exits):  # the others wait for it for ever
                self._ending = self._ending or time.monotonic()
            self._obey(agents)
            time.sleep(GLANCE)

    def _obey(self, agents: list[Agent]) -> None:
        """Hand on a stop at a step, and the end at once."""
        if self._folder.stop_requested() and not self._stop_sent:
            agents[0].call("stop", self._folder.stop_path.read_bytes())
            self._stop_sent = True
        if self._ending is None:
            return
        late = time.monotonic() - self._ending > GRACE
        if self._told_to_end is late:  # each signal once: a second SIGTERM would be taken as impatience
            return
        self._told_to_end = late
        for agent in agents:
            agent.call("end", not late)

    def _finish(
        self, agents: list[Agent], news: list[dict[str, Any]], mirror: Mirror, paths: list[tuple[str, str]]
    ) -> None:
        """Fetch the model and the result, of the first process that has one, and let the job end."""
        mirror.finish(news[0])
        for agent, each in zip(agents[1:], news[1:], strict=True):
            if self._folder.result() is None:
                Mirror(self._folder, agent, paths).finish({**each, "model": {}})
        for agent in agents:
            agent.call("release")
        self._write_note(attempt=None)

    def _status(self, exits: list[int]) -> int:
        """The status of the run, by its result, else by how the processes ended. What fails because another process was killed says only
        that its partner is gone."""
        state = str((self._folder.result() or {}).get("state"))
        if state in ("finished", "stopped"):
            return EXITS[state]
        killed = [(rank, -status) for rank, status in enumerate(exits) if status < 0 and status != -signal.SIGTERM]
        if len(exits) > 1 and killed and not self._asked_to_end():
            rank, number = killed[0]
            raise MachineError(
                "process_died", number=rank + 1, processes=len(exits), signal=signal.Signals(number).name
            )
        if state in EXITS:
            return EXITS[state]
        return next((status for status in exits if status not in (0, -signal.SIGTERM)), min(exits))

    def _asked_to_end(self) -> bool:
        return bool((self._folder.stop_request() or {}).get("now"))

    # ---- our own words in the folder

    def _write_note(self, **values: Any) -> None:
        self._note = write_note(self._folder, **values)

    def _beat(self) -> None:
        """A heartbeat of our own, before the worker has one."""
        step = (self._folder.last_checkpoint() or (0, None))[0]
        beat = {"pid": os.getpid(), "time": time.time(), "stage": "loading", "step": step, "steps": self._recipe.steps}
        self._folder.write("heartbeat", {**(self._folder.heartbeat() or {}), **beat}, durable=False)

    def fail(self, error: LabError) -> int:
        """Write that the run failed; the exit status."""
        print(f"failed: {error}", flush=True)
        self._result("failed", error)
        return EXITS["failed"]

    def _result(self, state: str, error: LabError | None) -> None:
        beat = self._folder.heartbeat() or {}
        spent = {name: beat.get(name) or self._folder.spent_before()[name] for name in SPENT}
        values = {"before": None, "after": None, "kl_from_start": None, "steps": beat.get("step") or 0, **spent}
        self._folder.write("result.json", {"state": state, "error": error.as_dict() if error else None, **values})


def team_variables(rank: int, count: int, leader: dict[str, Any]) -> dict[str, str]:
    """What torchrun would tell a process (``lab/training/worker/team.py``). Each sees the GPU alone that Ray gave it."""
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_RANK": "0",
        "MASTER_ADDR": str(leader["address"]),
        "MASTER_PORT": str(leader["port"]),
    }


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "—"


def main(path: Path) -> int:
    """Mirror the run in ``path`` to its end; the worker's exit status, or its signal."""
    folder = RunFolder(path)
    (path / "result.json").unlink(missing_ok=True)  # an earlier attempt's would be taken for this one's
    proxy = Proxy(folder, os.environ[ADDRESS], int(os.environ.get(CPUS) or 1))
    signal.signal(signal.SIGTERM, proxy.end)
    try:
        status = proxy.work()
    except LabError as error:
        status = proxy.fail(error)
    except Exception:
        traceback.print_exc()
        status = EXITS["failed"]
    write_note(folder, exit=status)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
