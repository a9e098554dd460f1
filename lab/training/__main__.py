"""``python -m lab.training RUN_DIR`` executes the run in that folder; ``--doctor`` prints what this machine can do, as JSON.

``--job JOB_DIR`` does the job in that folder. ``--measure RECIPE.json`` (``-``: standard input) prints what a recipe will cost in memory.
``--time HOME`` times the parts of a recipe on standard input.
``--import-gguf FILE FOLDER`` writes the model of a GGUF file as safetensors; where that
fails, its error as JSON is the last line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.loading import hide

if TYPE_CHECKING:
    from lab.core.recipes import Recipe


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 finished, 3 stopped with a checkpoint, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m lab.training", description=__doc__)
    parser.add_argument("run_dir", nargs="?", type=Path, help="a folder of LAB_HOME/runs with a recipe.json in it")
    parser.add_argument("--job", type=Path, metavar="JOB_DIR", help="a folder of LAB_HOME/jobs with a job.json in it")
    parser.add_argument("--doctor", action="store_true", help="print devices and versions as JSON and exit")
    parser.add_argument(
        "--measure", metavar="RECIPE.json", help="print a recipe's memory as JSON; - reads standard input"
    )
    parser.add_argument("--home", type=Path, default=Path("lab_home"), help="the lab's home, for --measure")
    parser.add_argument("--shape", type=Path, metavar="CONFIG.json", help="for --measure: a model's shape in its place")
    parser.add_argument("--import-gguf", nargs=2, type=Path, metavar=("FILE", "FOLDER"), help="GGUF to safetensors")
    parser.add_argument(
        "--preview", type=Path, metavar="HOME", help="rows as the model will see them, of a recipe on stdin"
    )
    parser.add_argument("--time", type=Path, metavar="HOME", help="time the parts of a recipe on stdin, as JSON")
    parser.add_argument("--wait", type=int, metavar="SOCKET", help="load everything, then be told over this socket")
    parser.add_argument("--lessons", type=Path, metavar="HOME", help="answer the Learn tab's questions, a line each")
    options = parser.parse_args(arguments)
    hide("vllm")  # trl loads it where it is installed, for ten seconds; a run that needs it finds it again
    if options.doctor:
        from lab.training.worker.doctor import report

        print(json.dumps(report()))
        return 0
    if options.wait is not None:
        from lab.training.worker.standby import wait_and_work

        return wait_and_work(options.wait)
    if options.lessons:
        from lab.training.worker.lessons import main as answer_lessons

        return answer_lessons(options.lessons)
    if options.import_gguf:
        return _answer(_import_gguf, *options.import_gguf)
    if options.preview:
        return _answer(_preview, options.preview)
    if options.time:
        return _answer(_time, options.time)
    if options.measure:
        return _answer(_measure, options.measure, options.home, options.shape)
    if options.job:
        if not (options.job / "job.json").is_file():
            parser.error("JOB_DIR must be a folder with a job.json in it")
        from lab.training.worker.jobs import work_job

        return work_job(options.job.resolve())
    if options.run_dir is None or not (options.run_dir / "recipe.json").is_file():
        parser.error("RUN_DIR must be a folder with a recipe.json in it")
    from lab.training.worker.main import work

    return work(options.run_dir.resolve(), alone=True)


def _recipe(text: str) -> Recipe:
    from lab.core.recipes import parse

    return parse(json.loads(text))


def _preview(home: Path) -> str:
    from lab.training.preview import preview

    return json.dumps(preview(_recipe(sys.stdin.read()), home))


def _time(home: Path) -> str:
    from lab.training.measure.time_probe import run_time

    return run_time(_recipe(sys.stdin.read()), home).model_dump_json()


def _measure(source: str, home: Path, shape: Path | None) -> str:
    recipe = _recipe(sys.stdin.read() if source == "-" else Path(source).read_text("utf-8"))
    from lab.training.measure.memory import estimate
    from lab.training.models.checks import read_config

    return estimate(recipe, home, config=read_config(shape) if shape else None).model_dump_json()


def _import_gguf(file: Path, folder: Path) -> None:
    from lab.training.models.gguf import import_gguf

    import_gguf(file.resolve(), folder)


def _answer(compute: Callable[..., str | None], *arguments: Any) -> int:
    """Print the line of JSON that is computed, or the error that a person may see; the exit status."""
    from lab.errors import LabError
    from lab.training.worker.library_notes import listen

    listen()
    try:
        line = compute(*arguments)
    except LabError as error:
        print(json.dumps(error.as_dict()), flush=True)
        return 1
    if line is not None:
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
