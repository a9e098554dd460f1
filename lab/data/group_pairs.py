"""Preferences from a run's groups: the best against the worst completion of each group, by reward. No person judged them.

``groups:RUN_ID`` is a dataset for reward models and DPO, so that training can go on without annotators. Groups are defined in
``lab/core/groups.py``, their lines on disk in docs/formats.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.data.rows import Rows
from lab.errors import DatasetError

GROUPS = "groups:"
"""Before the id of the run."""

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")

Row = dict[str, Any]


def pairs_of_run(run_id: str, home: Path | None, margin: float) -> Rows:
    """``prompt, chosen, rejected`` rows of a run's groups whose rewards lie more than ``margin`` apart; each pair once.

    A completion that was cut off is never the chosen one: it would teach not to end. Raises DatasetError where the run has no
    groups, and where no group has such a pair.
    """
    path = (home or Path()) / "runs" / run_id / "groups.jsonl"
    if home is None or not _RUN_ID.fullmatch(run_id) or not path.is_file():
        raise DatasetError("groups_missing", run=run_id[:64])
    groups = list(_groups(path))
    pairs = {json.dumps(pair, sort_keys=True): pair for group in groups if (pair := _pair(group, margin)) is not None}
    if not pairs:
        raise DatasetError("groups_no_pairs", run=run_id, groups=len(groups), margin=f"{margin:g}")
    digest = hashlib.sha256("\n".join(pairs).encode("utf-8", "surrogatepass"))
    columns = ("prompt", "chosen", "rejected")
    return Rows(path, list(pairs.values()), columns, f"sha256:{digest.hexdigest()}", [])


def _groups(path: Path) -> Iterator[Row]:
    """The valid groups: after a resume, those beyond its checkpoint are dropped; a half-written last line is ignored."""
    kept: list[Row] = []
    with path.open("rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):
                break
            line = json.loads(raw)
            if "resumed_from" in line:
                kept = [group for group in kept if group["step"] <= line["resumed_from"]]
            else:
                kept.append(line)
    yield from kept


def _pair(group: Row, margin: float) -> Row | None:
    """The best whole completion against the worst one; None where they lie too close."""
    scored = [each for each in group["completions"] if each["why_dropped"] != "unscored" and each["text"].strip()]
    whole = [completion for completion in scored if not completion["truncated"]]
    if not whole:
        return None
    best, worst = max(whole, key=_reward), min(scored, key=_reward)
    if best["reward"] - worst["reward"] <= margin or best["text"].strip() == worst["text"].strip():
        return None
    return {"prompt": group.get("turns") or group["prompt"], "chosen": best["text"], "rejected": worst["text"]}


def _reward(completion: Row) -> float:
    return float(completion["reward"])
