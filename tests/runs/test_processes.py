"""Knowing a process again: by pid, start time and boot, and not while it is a zombie."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

from lab.runs.processes import Identity, identity_of, is_alive


@pytest.fixture
def own() -> Identity:
    identity = identity_of(os.getpid())
    assert identity is not None
    return identity


def test_this_process_is_alive_and_no_other_that_had_its_pid(own: Identity) -> None:
    assert is_alive(own)
    assert not is_alive(replace(own, started=own.started - 2.0)), "an earlier process of the same pid"
    assert not is_alive(replace(own, boot_id="another boot"))
    assert not is_alive(replace(own, pid=2**22 + 1)) and identity_of(2**22 + 1) is None


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="needs a wait that leaves the zombie")
def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    identity = identity_of(child.pid)
    assert identity is not None and not is_alive(identity), "it has ended, and only waits to be counted"
    child.wait()
    assert not is_alive(identity)
