"""The processes of one run: who this one is, and what all of them add up to.

A run with ``processes = N`` is N copies of the worker, started by torchrun (``torchrun.py``). Each trains the whole model on its share of
every step's rows; gradients, counts and metrics are summed over all of them, and process 0, the leader, alone writes. To the libraries each
copy looks like a run of one process, so that no loop of theirs is changed: what is joined is joined here. With one process every
function gives back what it was given. Not here: which rows are whose (``trainers/shares.py``).
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lab.errors import MachineError

if TYPE_CHECKING:
    import torch

OF_TORCHRUN = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "GROUP_RANK",
    "GROUP_WORLD_SIZE",
    "ROLE_RANK",
    "ROLE_WORLD_SIZE",
)
"""What torchrun tells its processes. The libraries would take it as an order to wrap the model and to share rows out themselves."""
PATIENCE = timedelta(days=2)
"""How long a process waits for another, which may be measuring; one that has died is noticed by torchrun."""
ORPHANED = 1.0
"""Seconds between two looks whether the process that started this one is still there."""
ENDS_WITH_PARENT = "LAB_ENDS_WITH_PARENT"
"""Set for a process alone that whoever started it could not end, where it is killed itself (``lab/runs/ray/agent.py``)."""


@dataclass
class _Team:
    rank: int = 0
    size: int = 1


_team = _Team()


def rank() -> int:
    """The number of this process, from 0."""
    return _team.rank


def size() -> int:
    """How many processes the run has."""
    return _team.size


def is_leader() -> bool:
    """Whether this process writes, measures and saves."""
    return _team.rank == 0


def is_started_by_torchrun() -> bool:
    """Whether this process is one of several, not yet joined or joined."""
    return "RANK" in os.environ or _team.size > 1


def join(promised: int) -> None:
    """Join the other processes, if there are any. Raises MachineError ``processes_promised`` where they are not as many as the recipe says."""
    if not is_started_by_torchrun():
        if os.environ.pop(ENDS_WITH_PARENT, None):
            _watch_parent()
        if promised != 1:
            raise MachineError("processes_promised", promised=promised, there=1)
        return
    local = os.environ["LOCAL_RANK"]
    _see_one_gpu(int(local))
    import torch.distributed as dist

    backend = "cpu:gloo,cuda:nccl" if os.environ.get("CUDA_VISIBLE_DEVICES") and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    _team.rank, _team.size = dist.get_rank(), dist.get_world_size()
    for name in OF_TORCHRUN:
        os.environ.pop(name, None)
    _watch_parent()
    if _team.size != promised:
        raise MachineError("processes_promised", promised=promised, there=_team.size)


def leave(status: int) -> NoReturn:
    """End this process, one of several, without the destructors of C++.

    Threads of torch.distributed that are still there when these run abort the process now and then ("terminate called without an active
    exception"), and torchrun takes that for the death of a run that has done all of its work.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _see_one_gpu(local: int) -> None:
    """Let this process see the GPU of its number alone, before CUDA is asked for anything. Nothing where there is none."""
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    if visible or torch.cuda.device_count():
        names = visible or [str(number) for number in range(torch.cuda.device_count())]
        os.environ["CUDA_VISIBLE_DEVICES"] = names[local] if local < len(names) else ""


def _watch_parent() -> None:
    threading.Thread(target=_end_with, args=(os.getppid(),), name="parent", daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process where its parent has been killed, torchrun or an agent on a cluster: it could not end its processes itself."""
    while os.getppid() == parent:
        time.sleep(ORPHANED)
    os._exit(1)


def gathered(value: Any) -> list[Any]:
    """The values of all processes, in the order of their numbers. All of them must call it."""
    if _team.size == 1:
        return [value]
    import torch.distributed as dist

    values: list[Any] = [None] * _team.size
    dist.all_gather_object(values, value)
    return values


def of_leader(value: Any) -> Any:
    """The leader's value, for all. What is read from a clock or from a file that others write may differ between processes."""
    return gathered(value)[0]


def total(number: Any) -> Any:
    """A number, or a tensor with one element, summed over the processes; of the kind that it was given as."""
    if _team.size == 1:
        return number
    summed = sum(gathered(float(number)))
    if not hasattr(number, "new_tensor"):
        return type(number)(summed)
    return number.new_tensor(summed)


def together(values: torch.Tensor) -> torch.Tensor:
    """One-dimensional tensors of all processes, one after the other."""
    if _team.size == 1:
        return values
    import torch

    return torch.cat([each.to(values.device) for each in gathered(values.detach().cpu())])


def collect(own: Path, into: Path) -> None:
    """Have the leader write the files of every process's own folder into one of its own: others may stand on another machine.

    Returns once they are written. All of them must call it.
    """
    for files in gathered({path.name: path.read_bytes() for path in own.iterdir()}):
        for name, content in files.items() if is_leader() else ():
            (into / name).write_bytes(content)
    wait()


def wait() -> None:
    """Return once all processes are here."""
    gathered(None)


def add_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace every gradient by its sum over the processes, in one message.

    A process without one (none of its rows trains) adds nothing; a parameter without any gradient anywhere keeps none, so that the
    optimiser leaves it alone.
    """
    if _team.size == 1:
        return
    import torch
    import torch.distributed as dist

    trained = [parameter for parameter in parameters if parameter.requires_grad]
    there = [any(each) for each in zip(*gathered([p.grad is not None for p in trained]), strict=True)]
    used = [parameter for parameter, has in zip(trained, there, strict=True) if has]
    if not used:
        return
    whole = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten().float() for p in used])
    dist.all_reduce(whole)
    at = 0
    for parameter in used:
        part = whole[at : at + parameter.numel()].view_as(parameter).to(parameter.dtype)
        parameter.grad = part.clone()
        at += parameter.numel()
