"""A job in the foreground, for the command line: the same worker, watched from here, cancelled by Ctrl-C. It honours the slot.

Not here: what is printed (``lab/commands``).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from lab.core.jobs import Spec
from lab.runs.foreground import interrupts, take_slot
from lab.runs.jobs import Summary, check_job, launch, summary
from lab.runs.launcher import Launcher, LocalLauncher
from lab.store.jobs import Job, JobStore
from lab.store.runs import Store

GLANCE = 0.2


def work_in_foreground(
    spec: Spec,
    store: Store,
    on_progress: Callable[[Summary], None] | None = None,
    *,
    launcher: Launcher | None = None,
    by: str = "",
) -> Job:
    """Do a job here and now; ``on_progress`` gets a summary a few times a second. Ctrl-C cancels it. Raises LabError before the start."""
    check_job(spec, store)
    jobs = JobStore(store.home)
    with take_slot(store) as slot, interrupts() as pressed:
        folder = jobs.folder(jobs.create(spec, by).id)
        watched = launch(folder, launcher or LocalLauncher(page=False), slot)
        while watched is not None and (end := watched.look()) is None:
            if pressed and not folder.stop_requested():
                folder.request_stop(now=True)
            if on_progress is not None:
                on_progress(summary(folder, store, jobs))
            time.sleep(GLANCE)
        if watched is not None and end is not None:
            folder.end(end.state, end.error)
    if on_progress is not None:
        on_progress(summary(folder, store, jobs))
    return folder.job()
