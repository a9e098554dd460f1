"""Starts a worker process for a run or a job on this machine, and finds it again. For a Ray cluster: ``ray/launcher.py``.

Not here: which run is next, and what becomes of it (``supervisor.py``, ``watch.py``).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Protocol

import psutil

from lab.runs.processes import Identity, command_of, end, identity_of, is_alive
from lab.store.locks import Lock
from lab.store.worker_folder import WorkerFolder

ROOT = Path(__file__).resolve().parents[2]
WAITING = "--wait"
"""How a worker is started that does not yet know its folder (``standby.py``)."""

# The variables that a worker gets of the environment in which the app was started: no passwords, no tokens.
KEPT = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV"}
    | {"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "LAB_TRUSTED_RULES"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY"}
    | {"HF_HOME", "HF_ENDPOINT", "HF_DATASETS_CACHE", "HF_MODULES_CACHE", "HF_ASSETS_CACHE", "HF_XET_CACHE"}
    | {"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TRANSFORMERS_CACHE", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"}
    | {"TRACKIO_DIR", "WANDB_MODE", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_BASE_URL"}
    | {"GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK", "ONEAPI_DEVICE_SELECTOR"}
)
KEPT_PREFIXES = (
    *("LC_", "HF_HUB_", "NVIDIA_", "CUDA_", "NCCL_", "PYTORCH_", "TORCH", "TRITON_", "MALLOC_"),
    *("HIP_", "ROCR_", "ROCM_", "HSA_", "MIOPEN_", "BNB_"),
)
"""Which device a worker computes on, how, and where its libraries keep what they have fetched or compiled."""
SECRET = ("TOKEN", "SECRET", "PASSWORD", "API_KEY")
"""A variable with one of these in its name is kept from workers, whatever it begins with."""
UNLESS_SET = {"LRU_CACHE_CAPACITY": "32", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32"}
"""What a worker gets unless the app was started with another value: the products that torch and oneDNN keep a kernel for. One of them takes 0.7 MB,
each shape that rows may have needs its own, and both would keep 1,024. The products of a layer must fit, forward and back."""
ALWAYS = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONIOENCODING": "utf-8",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "WANDB_DISABLED": "true",
    "TRL_EXPERIMENTAL_SILENCE": "1",
}


class Worker(Protocol):
    """A worker process that somebody watches."""

    identity: Identity
    exit_code: int | None  # known only to whoever started it, once it has ended

    def ended(self) -> bool:
        """Whether the process is gone."""

    def memory(self) -> int | None:
        """The bytes that it holds now."""

    def end(self, *, gently: bool) -> None:
        """SIGTERM or SIGKILL, to it and to everything that it started."""


class Launcher(Protocol):
    """Where workers run."""

    def launch(self, folder: WorkerFolder, slot: Lock, *, threads: int = ...) -> Worker:
        """Start a worker for what stands in ``folder``; it holds ``slot`` until it ends, and computes on so many threads, or on as
        many as are usual here. Raises OSError."""

    def attach(self, identity: Identity) -> Worker:
        """The worker of that identity, which may have ended."""

    def prepare(self, threads: int | None = None) -> None:
        """Make ready for the next worker, on so many threads; called again and again."""

    def close(self) -> None:
        """Give back what was made ready."""


class LocalWorker:
    """A process of this machine, our own child or not."""

    def __init__(self, identity: Identity, process: subprocess.Popen[bytes] | None = None) -> None:
        self.identity = identity
        self.exit_code: int | None = None
        self.process = process
        self._look = None
        with suppress(psutil.Error):
            self._look = psutil.Process(identity.pid)

    @classmethod
    def of(cls, process: subprocess.Popen[bytes]) -> LocalWorker:
        """A child of ours: not yet waited for, so the pid is still its own, even if it has already ended."""
        return cls(identity_of(process.pid) or Identity(process.pid, 0.0, ""), process)

    def ended(self) -> bool:
        if self.process is None:
            return not is_alive(self.identity)
        self.exit_code = self.process.poll()
        return self.exit_code is not None

    def memory(self) -> int | None:
        with suppress(psutil.Error):
            return int(self._look.memory_info().rss) if self._look else None
        return None

    def end(self, *, gently: bool) -> None:
        end(self.identity, gently=gently)


class LocalLauncher:
    """Workers as processes of this machine, each the leader of a session of its own; a core is left to the page, if there is one."""

    gives_way: ClassVar[bool] = True
    """Whether the page goes before what is started."""

    def __init__(self, command: Callable[[Path], list[str]] | None = None, *, page: bool = True) -> None:
        self._command = command or worker_command
        self.threads = max(1, cores() - 1) if page else cores()

    def launch(self, folder: WorkerFolder, slot: Lock, *, threads: int | None = None) -> LocalWorker:
        with folder.log_path.open("ab") as log:
            process = subprocess.Popen(
                self._command(folder.path),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=self.environment(folder.path.parent.parent, threads or self.threads),
                start_new_session=True,
                pass_fds=(slot.file,) if slot.file is not None and os.name == "posix" else (),
            )
        if self.gives_way:
            lower_priority(process.pid)
        return LocalWorker.of(process)

    def environment(self, home: Path, threads: int) -> dict[str, str]:
        """The environment that a worker is started with."""
        return worker_environment(home, os.environ, threads)

    def attach(self, identity: Identity) -> LocalWorker:
        return LocalWorker(identity)

    def prepare(self, threads: int | None = None) -> None:
        """Nothing: a worker is started when it is needed."""

    def close(self) -> None:
        """Nothing to give back."""


def worker_command(path: Path) -> list[str]:
    """What runs a run or a job, by the folder; the same line replays it by hand."""
    job = ["--job"] if (path / "job.json").exists() else []
    return [sys.executable, "-m", "lab.training", *job, str(path)]


def is_worker_of(identity: Identity, folder: WorkerFolder) -> bool:
    """Whether a process whose pid stands in the folder's heartbeat is still the one that wrote it."""
    command = command_of(identity)
    if WAITING in command:  # it was started before it had a folder
        with suppress(psutil.Error):
            began = psutil.Process(identity.pid).create_time()
            return began <= float((folder.heartbeat() or {}).get("time") or 0)
    return str(folder.path) in command


def worker_environment(home: Path, environment: Mapping[str, str], threads: int) -> dict[str, str]:
    """The environment of a worker: few of our variables, and those that keep its libraries quiet and without telemetry."""
    kept = {
        name: value
        for name, value in environment.items()
        if name.upper() in KEPT | UNLESS_SET.keys()
        or (name.startswith(KEPT_PREFIXES) and not any(word in name for word in SECRET))
    }
    if trusted := kept.get("LAB_TRUSTED_RULES"):
        kept["LAB_TRUSTED_RULES"] = str(Path(trusted).absolute())  # the worker stands in another folder
    return (
        UNLESS_SET
        | {"OMP_NUM_THREADS": str(threads)}
        | kept
        | ALWAYS
        | {"PYTHONPATH": str(ROOT), "LAB_HOME": str(home.absolute())}
    )


def cores() -> int:
    """The cores that this process may use: by its affinity, and by a container's quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        count = min(count, max(1, round(int(quota) / int(period))))
    return max(1, count)


def lower_priority(pid: int) -> None:
    """The page goes first: for the processor, and when memory runs out."""
    with suppress(psutil.Error, OSError, ValueError):
        psutil.Process(pid).nice(19 if os.name == "posix" else psutil.BELOW_NORMAL_PRIORITY_CLASS)  # type: ignore[attr-defined]
    # Linux shares the processor among sessions first, on most desktops: there a process's own value counts within its session alone.
    with suppress(OSError, AttributeError):  # Windows has no sessions
        if os.getsid(pid) == pid:
            Path(f"/proc/{pid}/autogroup").write_text("19")
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("500")
