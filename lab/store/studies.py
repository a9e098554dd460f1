"""Studies on disk: shipped ones in ``presets/studies/``, and a home's own in ``LAB_HOME/studies/``. What is valid stands in core.

Shipped studies are TOML (``presets/studies/tiny/course.toml`` is ``tiny/course``). A home's own are JSON, written by the page
(``LAB_HOME/studies/NAME.json``). Not here: recorded ones (``lab/compare/recorded.py``).
"""

from __future__ import annotations

from pathlib import Path

from lab.core.studies import Study, parse_study
from lab.errors import InputError, RecipeError
from lab.store.lines import read_json, write_json
from lab.store.presets import PRESETS, read_toml

STUDIES = PRESETS / "studies"
RECORDED = STUDIES / "recorded"


def load_study(name_or_path: str | Path, home: Path | None = None) -> Study:
    """A study by name (``tiny/course``) or by the path of a TOML file. Raises RecipeError where there is none or it does not validate."""
    path = Path(name_or_path)
    if path.suffix == ".toml" and path.is_file():
        return parse_study({"name": path.stem.lower(), **read_toml(path)}, str(name_or_path))
    name = str(name_or_path)
    if name in study_names(home):
        shipped = STUDIES / f"{name}.toml"
        if shipped.is_file():
            return parse_study({"name": name, **read_toml(shipped)}, name)
        own = read_json(_own(home, name)) if home else None
        if isinstance(own, dict):
            return parse_study(own, name)
    raise RecipeError("study_missing", value=name[:80], known=", ".join(study_names(home)))


def study_names(home: Path | None = None, folder: Path = STUDIES) -> list[str]:
    """All studies by name: the tiny ones first, then the other shipped ones, then the home's own."""
    shipped = [path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob("*/*.toml")]
    own = [path.stem for path in (home / "studies").glob("*.json")] if home else []
    return [*sorted(shipped, key=lambda name: (not name.startswith("tiny/"), name)), *sorted(own)]


def save_study(study: Study, home: Path) -> None:
    """Keep a study of the home's own, under its name. Raises InputError ``study_name_taken`` where another one has it."""
    name = study.name
    if "/" in name:
        raise InputError("study_own_name", value=name)
    place = _own(home, name)
    if place.exists() and load_study(name, home) != study:
        raise InputError("study_name_taken", value=name)
    place.parent.mkdir(exist_ok=True)
    write_json(place, study.model_dump(mode="json"))


def _own(home: Path, name: str) -> Path:
    return home / "studies" / f"{name}.json"
