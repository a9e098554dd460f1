"""A worker of a few lines: it writes the real formats through the real RunFolder, and trains nothing.

``python fake_worker.py RUN_DIR``; what it does stands in the recipe's ``about_en`` as JSON: ``seconds`` a step,
``crash_at`` a step, ``child`` (start a process that never ends), ``deaf`` (ignores SIGTERM), ``say`` (a last line),
``result`` (more of its result).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lab.store.run_folder import RunFolder


def main() -> int:
    folder = RunFolder(sys.argv[1])
    recipe = folder.recipe()["recipe"]
    how = json.loads(recipe["about_en"] or "{}")
    if how.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if how.get("child"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (folder.path / "child").write_text(str(child.pid))
    checkpoint = folder.last_checkpoint()
    first = checkpoint[0] if checkpoint else 0
    folder.note_resume(first)
    for step in range(first + 1, recipe["steps"] + 1):
        time.sleep(how.get("seconds", 0.02))
        parts = {"time/forward": 0.015, "time/waiting": 0.005}
        folder.append("metrics", {"step": step, "time": time.time(), "seconds": 0.02, "loss": 1 / step, **parts})
        folder.append("groups", group(step))
        beat(folder, step, recipe["steps"])
        if step == how.get("crash_at") and first < step:
            print(how.get("say", "it broke"), flush=True)
            os.kill(os.getpid(), how["signal"]) if "signal" in how else sys.exit(how.get("code", 1))
        stop = folder.stop_requested()
        if stop or step % recipe["save_every"] == 0:
            save(folder, step)
        if stop:
            return done(folder, "stopped", step, how)
    return done(folder, "finished", recipe["steps"], how)


def beat(folder: RunFolder, step: int, steps: int) -> None:
    beat = {"pid": os.getpid(), "time": time.time(), "stage": "training", "step": step, "steps": steps}
    folder.write("heartbeat", beat, durable=False)


def group(step: int) -> dict[str, object]:
    completion = {"text": f"x = {step}", "reward": 1.0, "advantage": 0.0, "kept": True, "scores": {}}
    return {"version": 1, "step": step, "group": 0, "prompt": "p", "mean": 1.0, "std": 0.0, "completions": [completion]}


def save(folder: RunFolder, step: int) -> None:
    path = folder.checkpoint_path(step)
    path.mkdir(parents=True, exist_ok=True)
    (path / "complete").touch()


def done(folder: RunFolder, state: str, steps: int, how: dict[str, Any]) -> int:
    folder.write("result.json", {"state": state, "error": None, "steps": steps, **how.get("result", {})})
    return 3 if state == "stopped" else 0


if __name__ == "__main__":
    sys.exit(main())
