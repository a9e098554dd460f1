"""The job that writes a run out: weights, tokenizer, GGUF, Modelfile, check, card. It is done once the check, without the lab, agrees.

The folder is made beside its place, in the job's own, and renamed when it is whole. Not here: where it goes from there (``lab/commands/out.py``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from lab.core.algorithms import Head, algorithm_of
from lab.core.out_jobs import Gguf, OutSpec
from lab.core.recipes import Recipe, parse
from lab.data.datasets import load
from lab.data.turns import Prompt
from lab.errors import LabError, ModelError, last_line
from lab.store.models import ModelRef, resolve
from lab.store.run_folder import RunFolder
from lab.training.models.base import load_tokens
from lab.training.models.tokens import Tokens
from lab.training.out import check as check_script
from lab.training.out.base_of import BESIDE, Base, base_of, root_of
from lab.training.out.card import Written, card, without_paths
from lab.training.out.curves import curves
from lab.training.out.gguf_file import check_family, write_gguf
from lab.training.out.llama_quantize import check_quantizer, quantize
from lab.training.out.modelfile import modelfile
from lab.training.out.weights import load_full, merged, write_adapter, write_model
from lab.training.worker.job_reporter import JobReporter

OUT = "out"
"""The folder within a job's (``lab/runs/leaving.py``)."""
ASKED, LONGEST = 6, 64
"""Questions of the check, and the most tokens of an answer."""
PLAIN = ("What is 2 + 3?", "Name a colour.", "用中文说你好。")
"""What is asked where a run's data hold no prompts."""


def write_out(spec: OutSpec, home: Path, reporter: JobReporter) -> dict[str, Any]:
    """Write the run's model to the job's folder ``out``; what stands in result.json. Raises LabError."""
    run = RunFolder(home / "runs" / spec.run.partition("@")[0])
    stored = run.recipe() or {}
    recipe = parse(stored.get("recipe") or {}, source=spec.run)
    ref = resolve(spec.model, home)
    if spec.gguf:
        _check_gguf(spec, recipe, ref)
    draft, target = reporter.folder.path / "out.part", reporter.folder.path / OUT
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        written = _write(spec, run, recipe, stored, ref, draft, reporter)
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    files = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    return {"files": files, **written}


def _write(
    spec: OutSpec,
    run: RunFolder,
    recipe: Recipe,
    stored: dict[str, Any],
    ref: ModelRef,
    draft: Path,
    reporter: JobReporter,
) -> dict[str, Any]:
    """Everything, into ``draft``; what of it stands in result.json."""
    home = run.path.parents[1]
    tokens, base = load_tokens(ref), base_of(Path(ref.base), home)
    model = load_full(recipe, ref, home)
    known = _answers(model, tokens, recipe, home)
    reporter.enter_stage("writing")
    adapter = ref.adapter is not None and not spec.merge
    (draft / "check.json").write_text(json.dumps(known, ensure_ascii=False, indent=1) + "\n", "utf-8")
    shutil.copyfile(Path(check_script.__file__), draft / "check.py")
    if adapter:
        write_adapter(ref, base, tokens, draft)
    file = _write_whole(model, tokens, spec, draft, run.path.name, keep=not adapter)
    del model
    (draft / "Modelfile").write_text(modelfile(_sources(base, adapter, file), tokens), "utf-8")
    if algorithm_of(recipe).head is Head.SCORE:
        (draft / "Modelfile").unlink()  # a score is nothing that Ollama serves
    reporter.enter_stage("checking")
    counted = _check(draft, "--base", ref.base) if adapter else _check(draft)
    sentence = _checked(counted, _check(draft, "--gguf") if file else None, known["kind"])
    made = Written(adapter, file, recipe.four_bit_base, sentence)
    _write_records(draft, run, recipe, stored, (base, root_of(Path(ref.base), home)), made)
    return {"checked": counted, "base": base.named if adapter else None, "gguf": file or None}


def _check_gguf(spec: OutSpec, recipe: Recipe, ref: ModelRef) -> None:
    if algorithm_of(recipe).head is Head.SCORE:
        raise ModelError("out_gguf_scores", value=spec.model)
    check_family(Path(ref.base))
    if spec.gguf is Gguf.Q4_K_M:
        check_quantizer()


def _answers(model: Any, tokens: Tokens, recipe: Recipe, home: Path) -> dict[str, Any]:
    """What the lab's own loading and tokens give, for the check: greedy texts, or the scores of rows."""
    rows = _rows(recipe, home)
    if algorithm_of(recipe).head is Head.SCORE:
        encoded = [tokens.finished(row["prompt"], row[side]) for row in rows for side in ("chosen", "rejected")]
        with torch.no_grad():
            scores = [float(model(input_ids=torch.tensor([ids])).logits[0, 0]) for ids in encoded]
        return {"kind": "score", "rows": encoded, "scores": scores}
    prompts = [row["prompt"] for row in rows] or list(PLAIN)
    texts = [_greedy(model, tokens, prompt) for prompt in prompts]
    return {"kind": "text", "prompts": prompts, "texts": texts, "max_new_tokens": LONGEST}


def _rows(recipe: Recipe, home: Path) -> list[dict[str, Any]]:
    """A few rows of the run's data, held-out ones first; none where the data is gone."""
    try:
        data = load(recipe, home)
    except LabError:
        return []
    return [*data.held_out_pairs, *data.held_out, *data.train][:ASKED]


def _greedy(model: Any, tokens: Tokens, prompt: Prompt) -> str:
    asked = tokens.asked(prompt)
    with torch.no_grad():
        output = model.generate(
            input_ids=torch.tensor([asked]),
            attention_mask=torch.ones(1, len(asked), dtype=torch.long),
            do_sample=False,
            max_new_tokens=LONGEST,
            pad_token_id=tokens.pad,
            eos_token_id=list(tokens.ends) or None,
        )
    return tokens.text(output[0, len(asked) :].tolist(), opened=False)


def _write_whole(model: Any, tokens: Tokens, spec: OutSpec, draft: Path, name: str, *, keep: bool) -> str:
    """The merged model where it stays, and the GGUF file made of it; that file's name, empty where there is none."""
    if not keep and not spec.gguf:
        return ""
    place = draft if keep else draft / "merged.part"
    place.mkdir(exist_ok=True)
    write_model(merged(model), tokens, place)
    if not spec.gguf:
        return ""
    file = draft / f"{name}-{spec.gguf.value}.gguf"
    if spec.gguf is Gguf.Q4_K_M:
        half = draft / "f16.part"
        write_gguf(place, half, Gguf.F16, name)
        quantize(half, file)
        half.unlink()
    else:
        write_gguf(place, file, spec.gguf, name)
    if not keep:
        shutil.rmtree(place)
    return file.name


def _sources(base: Base, adapter: bool, file: str) -> list[str]:
    """The first lines of the Modelfile."""
    if file:
        return [f"FROM ./{file}"]
    if not adapter:
        return ["FROM ."]
    if base.hub:
        return [
            f"# The base on this machine: huggingface-cli download {base.hub} --local-dir {BESIDE}",
            f"FROM ./{BESIDE}",
            "ADAPTER .",
        ]
    return [f"FROM ./{BESIDE}", "ADAPTER ."]


def _check(folder: Path, *more: str) -> dict[str, Any]:
    """Run ``check.py`` in a process that cannot see the lab. Raises LabError where it writes something else, or does not load."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "PYTHON"))}
    environment["HF_HUB_OFFLINE"] = "1"  # all that it needs is here
    command = [sys.executable, "-I", str(folder / "check.py"), *more]
    done = subprocess.run(command, cwd=folder.parent, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise LabError("out_does_not_load", why=last_line(done.stderr, "?")[:300])
    counted: dict[str, Any] = json.loads(lines[-1])
    if done.returncode:
        raise LabError("out_writes_other_text", same=counted["same"], of=counted["of"])
    return {"same": counted["same"], "of": counted["of"]}


def _checked(counted: dict[str, Any], of_gguf: dict[str, Any] | None, kind: str) -> str:
    what = "scores are those" if kind == "score" else "greedy answers are, to the letter, those"
    sentence = f"Loaded without the lab, {counted['same']} of {counted['of']} {what} that the lab gave."
    if of_gguf is not None:
        sentence += f" Of the GGUF file, whose weights are rounded, {of_gguf['same']} of {of_gguf['of']} are."
    return sentence


def _write_records(
    folder: Path, run: RunFolder, recipe: Recipe, stored: dict[str, Any], bases: tuple[Base, Base], made: Written
) -> None:
    """The card, the curves, and the run's own figures."""
    lines, result = run.metrics().lines, run.result() or {}
    name = recipe.name or f"{recipe.algorithm} of {bases[1].name or run.path.name}"
    (folder / "curves.svg").write_text(curves(lines, algorithm_of(recipe).charts), "utf-8")
    with (folder / "metrics.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    about = without_paths({**stored, "recipe": recipe.model_dump(mode="json")})
    (folder / "recipe.json").write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", "utf-8")
    (folder / "README.md").write_text(card(name, recipe, stored, result, *bases, made), "utf-8")
