"""``python -m lab report``: a run or a study as one HTML page, or as CSV."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.commands.arguments import explained, home_flag, open_store, run_called
from lab.compare.members import member_runs, members
from lab.compare.phrases import Phrase, in_both
from lab.compare.recorded import RecordedStudy, recorded_studies
from lab.compare.report import Source, csv_of, labels_of, report_html
from lab.compare.runs import ComparedRun, compared
from lab.errors import StateError
from lab.store.runs import Store, valid_run_id
from lab.store.studies import load_study, study_names
from lab.words import say, size_text, system_locale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """RUN or STUDY, and where to."""
    parser.add_argument("what", nargs="+", metavar="RUN|STUDY", help=explained("report.what"))
    parser.add_argument("--out", type=Path, metavar="FILE", help=explained("report.out"))
    parser.add_argument("--csv", action="store_true", help=explained("report.csv"))
    parser.add_argument("--recorded", action="store_true", help=explained("report.recorded"))


def run(arguments: argparse.Namespace) -> int:
    """0; raises StateError where there is nothing to report."""
    store = open_store(arguments)
    arguments.what = [run_called(store, each) for each in arguments.what]
    name = arguments.what[0]
    runs, source = _runs(store, arguments.what, recorded=arguments.recorded, home=home_flag(arguments))
    text = csv_of(runs) if arguments.csv else report_html(runs, source, locale=system_locale())
    if arguments.csv and not arguments.out:
        print(text, end="")
        return 0
    path = arguments.out or Path(f"{name.replace('/', '-')}.html")
    path.write_text(text, "utf-8")
    print(say("study.written", system_locale(), path=path, size=size_text(path.stat().st_size)))
    return 0


def _runs(store: Store, names: list[str], *, recorded: bool, home: str) -> tuple[list[ComparedRun], Source]:
    """The runs that are named, and where they come from. Raises StateError ``report_unknown``, ``report_nothing``."""
    name = names[0]
    if len(names) > 1 or valid_run_id(name):
        runs = compared(store, names)
        title = (
            Phrase("report.title_run", {"name": runs[0].name})
            if len(runs) == 1
            else Phrase("report.title_runs", {"count": len(runs)})
        )
        return runs, Source(store, title, command=f"python -m lab report {' '.join(names)}{home}")
    if name not in study_names(store.home) and not Path(name).is_file():
        raise StateError("report_unknown", value=name[:80])
    study = load_study(name, store.home)
    title = in_both(study.title.en, study.title.zh)
    about = in_both(study.about.en, study.about.zh)
    if recorded:
        place = recorded_studies().get(study.name)
        if place is None:
            raise StateError("report_unknown", value=f"{name} (recorded)")
        shelf = RecordedStudy(place)
        return shelf.compared(), Source(
            shelf, title, about, shelf.command, recorded=True, machine=shelf.machine, labels=labels_of(study)
        )
    ids, entries = member_runs(members(study, store))
    if not ids:
        raise StateError("report_nothing", name=name)
    runs = compared(store, ids, study=study.name, entries=entries)
    return runs, Source(store, title, about, f"python -m lab study {name}{home}", labels=labels_of(study))
