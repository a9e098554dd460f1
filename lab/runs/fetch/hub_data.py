"""Bring a dataset of the hub into LAB_HOME/data: which files a split has, and each of them, begun where an attempt broke off.

The files are the dataset's own (Parquet, JSON lines, CSV), read by ``lab/data``; none of its code ever runs. Models are
``downloads.py``'s; what the name means is ``lab/data/hub_rows.py``'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from lab.data.hub_rows import SOURCE, HubName, is_sidecar, parse_hub, source_of
from lab.data.rows import SUFFIXES
from lab.errors import DatasetError
from lab.runs.fetch import hub
from lab.runs.fetch.downloads import Fetching, OnProgress, alone, counting, room_for


def get_data(dataset: str, home: Path, on_progress: OnProgress | None = None) -> Path:
    """The folder of a dataset, fetched where it is not here yet. Raises DatasetError, MachineError, and StateError where another
    process is fetching it just now."""
    name = parse_hub(dataset)
    target = name.folder(home)
    if source_of(target):
        return target
    tell = on_progress or (lambda _: None)
    target.parent.mkdir(parents=True, exist_ok=True)
    with alone(target):
        tell(Fetching("asking"))
        offered, card = hub.ask_data(name.id)
        files = files_of(name, [file.name for file in offered.files], card)
        wanted = hub.HubFiles(
            name.id, offered.commit, offered.licence, tuple(f for f in offered.files if f.name in files), "dataset"
        )
        draft = target.with_name(target.name + ".part")
        draft.mkdir(exist_ok=True)
        room_for(draft, wanted.size)
        with counting(draft, tell, wanted.size):
            hub.fetch(wanted, draft)
        beside = sorted(
            file.name for file in offered.files if is_sidecar(file.name) and file.name.lower().endswith(".json")
        )
        notes = {
            "from": str(name),
            "commit": offered.commit,
            "licence": offered.licence,
            "files": files,
            "passed_over": beside,
        }
        (draft / SOURCE).write_text(json.dumps(notes, indent=2) + "\n", "utf-8")
        draft.rename(target)
    return target


def files_of(name: HubName, files: Iterable[str], card: Any) -> list[str]:
    """The files of one config and split: as the dataset's card says, else by their names. Raises DatasetError naming what there is.

    ``card`` is the card's ``configs``: ``[{"config_name", "data_files": [{"split", "path"}]}]``; a path may be a pattern.
    """
    readable = sorted(file for file in files if file.lower().endswith(SUFFIXES) and not is_sidecar(file))
    configs = _configs_of(card)
    if configs:
        config = name.config or ("default" if "default" in configs else next(iter(configs)))
        splits = configs.get(config)
        if splits is None:
            raise DatasetError("hub_data_config", value=name.id, config=config, known=", ".join(configs))
        patterns = splits.get(name.split)
        if patterns is None:
            raise DatasetError("hub_data_split", value=name.id, split=name.split, known=", ".join(splits))
        chosen = [file for file in readable if any(fnmatch(file, pattern) for pattern in patterns)]
    else:
        within = [file for file in readable if name.config is None or name.config in file.split("/")]
        part = re.compile(rf"(^|[/._-]){re.escape(name.split)}([/._-]|$)")
        chosen = [file for file in within if part.search(file)] or (within if len(within) == 1 else [])
    if not chosen:
        known = ", ".join(readable[:12]) or "–"
        raise DatasetError("hub_data_no_files", value=str(name), known=known)
    return chosen


def _configs_of(card: Any) -> dict[str, dict[str, list[str]]]:
    """``{config: {split: patterns}}`` of a card; what is not of the known form is passed over."""
    configs: dict[str, dict[str, list[str]]] = {}
    for config in card if isinstance(card, list) else []:
        if not isinstance(config, dict):
            continue
        files = config.get("data_files")
        if isinstance(files, str):
            files = [{"split": "train", "path": files}]
        splits: dict[str, list[str]] = {}
        for entry in files if isinstance(files, list) else []:
            if isinstance(entry, dict) and "split" in entry:
                path = entry.get("path")
                splits[str(entry["split"])] = (
                    [path] if isinstance(path, str) else [str(pattern) for pattern in path or []]
                )
        if splits:
            configs[str(config.get("config_name", "default"))] = splits
    return configs
