"""What a recipe's ``model`` points at: the shipped base, a fetched model, an earlier run, a folder, a GGUF file or a hub id.

Paths and the headers of files only; no weights are loaded. What the lab knows by name is ``catalogue.py``; fetching it is ``lab/runs/fetch/downloads.py``.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.core.chats import LoadSettings
from lab.core.recipes import Recipe
from lab.errors import MachineError, ModelError
from lab.store.catalogue import CATALOGUE, GGUF, HUB_ID, fetched
from lab.store.run_folder import RunFolder

SHIPPED = {"tiny": Path(__file__).resolve().parents[2] / "presets" / "tiny" / "base"}
"""Models in the repository, by name."""

PLAIN_TEMPLATE = (
    "{% if bos_token %}{{ bos_token }}{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}{{ eos_token }}{% endgeneration %}"
    "{% else %}{{ message['content'] }}\n{% endif %}"
    "{% endfor %}"
)
"""What a model without a chat template gets: its BOS token if it has one, the prompt, a new line, the completion, its EOS token."""

Shapes = dict[str, tuple[int, ...]]

LONGEST_HEADER = 100_000_000
LONGEST_CONFIG = 16_000_000
"""The format's own bound."""

_IN_HOME = re.compile(r"(?:^|[/\\])(models[/\\][\w.-]+|runs[/\\][\w-]+[/\\](?:model|checkpoints[/\\]step-\d+))[/\\]?$")
_RUN = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:@(\d{1,12}))?")


@dataclass(frozen=True)
class ModelRef:
    """The folders where the base lies, and the adapter on it, if any."""

    name: str
    base: str
    adapter: str | None = None


def resolve(model: str, home: Path) -> ModelRef:
    """The folders of a recipe's ``model``. Raises ModelError where it points at nothing that is a model, and ``model_not_here``, naming
    what is to be fetched, where that is a model of the catalogue or of the hub.

    ``run:ID`` is a run's model, ``run:ID@STEP`` what its checkpoint of that step holds.
    """
    if model in SHIPPED:
        return _folder(model, SHIPPED[model], home)
    if model.startswith("run:"):
        return _folder(model, _of_run(model.removeprefix("run:"), home), home)
    if (here := fetched(model, home)) is not None:
        return _folder(model, here, home)
    path = Path(model).expanduser()
    if model in CATALOGUE or (model.lower().endswith(GGUF) and path.is_file()):
        raise ModelError("model_not_here", value=model)
    if path.is_dir():
        return _folder(model, path, home)
    if HUB_ID.fullmatch(model):
        raise ModelError("model_not_here", value=model)
    raise ModelError("model_missing", value=model, known=", ".join((*SHIPPED, *CATALOGUE)))


def reward_adapter(reward_model: str, policy: str, home: Path) -> Path:
    """The adapter of a reward-model run that may score ``policy``: both stand on the same base.

    "Same base" means the same weights, tokenizer and chat template by content: with another template a reward model would read what it
    was never trained on. Raises ModelError, naming both where they differ.
    """
    if not reward_model.startswith("run:"):
        raise ModelError("ppo_reward_model", value=reward_model)
    reward, start = resolve(reward_model, home), resolve(policy, home)
    if reward.adapter is None or not _scores(Path(reward.adapter)):
        raise ModelError("ppo_not_a_reward_model", value=reward_model)
    if Path(reward.base).resolve() != Path(start.base).resolve() and content_hash(reward.base) != content_hash(
        start.base
    ):
        raise ModelError("ppo_other_base", reward=reward.base, policy=start.base)
    if chat_template(reward) != chat_template(start):
        raise ModelError("ppo_other_template", reward=reward_model, policy=policy)
    return Path(reward.adapter)


def _scores(adapter: Path) -> bool:
    """Whether an adapter was trained with a head of one output."""
    return config_of(adapter / "adapter_config.json").get("task_type") == "SEQ_CLS"


def tokenizer_place(ref: ModelRef) -> str:
    """The folder whose tokenizer a model uses: the adapter's own where it was saved with one, else the base's."""
    if ref.adapter is not None and (Path(ref.adapter) / "tokenizer_config.json").exists():
        return ref.adapter
    return ref.base


def chat_template(ref: ModelRef) -> str:
    """A model's chat template, `PLAIN_TEMPLATE` where it has none."""
    return _template_in(tokenizer_place(ref)) or PLAIN_TEMPLATE


def _template_in(folder: str) -> str:
    """The chat template in a folder, as transformers finds it: a file of its own, else a value in the tokenizer's settings."""
    path = Path(folder) / "chat_template.jinja"
    if path.is_file():
        return path.read_text("utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        try:
            value = json.loads((Path(folder) / name).read_text("utf-8")).get("chat_template")
        except (OSError, ValueError, AttributeError, RecursionError):
            continue
        if value:
            return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return ""


def content_hash(folder: str) -> str:
    """``sha256:…`` of a model folder's weights, tokenizer and chat template."""
    path = Path(folder)
    digest = hashlib.sha256(_template_in(folder).encode())
    for file in sorted([*path.glob("*.safetensors"), *path.glob("tokenizer.json")]):
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def writes(ref: ModelRef) -> bool:
    """Whether a model writes text: a reward model gives a score instead."""
    if ref.adapter is not None:
        return not _scores(Path(ref.adapter))
    config = Path(ref.base) / "config.json"
    kinds = config_of(config).get("architectures") if config.is_file() else None
    return not any(
        str(kind).endswith("ForSequenceClassification") for kind in (kinds if isinstance(kinds, list) else ())
    )


def config_of(path: Path) -> dict[str, Any]:
    """The values of a model's JSON file, which anybody may have written. Raises ModelError ``model_config_broken``."""
    try:
        if path.stat().st_size > LONGEST_CONFIG:
            raise ValueError("too long")
        config = json.loads(path.read_text("utf-8"))
        if not isinstance(config, dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("model_config_broken", value=path.parent) from error
    return config


def reward_model_run(reward_model: str, home: Path) -> ModelRef:
    """Where a reward-model run's model lies, an adapter or a whole one. Raises ModelError where it is no reward model's."""
    model = resolve(reward_model, home) if reward_model.startswith("run:") else None
    if model is None or writes(model):
        raise ModelError("not_a_reward_model", value=reward_model)
    return model


def shapes_of(folder: Path) -> Shapes:
    """Each tensor's shape, from the headers of a folder's safetensors files; what cannot be read is left out."""
    shapes: Shapes = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with file.open("rb") as stream:
                size = int.from_bytes(stream.read(8), "little")
                header = json.loads(stream.read(size)) if size <= LONGEST_HEADER else {}
            shapes |= {
                name: tuple(int(n) for n in entry["shape"]) for name, entry in header.items() if name != "__metadata__"
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            continue  # the loader has the better words for a broken file
    return shapes


def too_big(recipe: Recipe | LoadSettings, need: int, free: int) -> MachineError:
    """The error of a base that needs ``need`` bytes where ``free`` bytes are available, with what can be done."""
    key = "model_too_big_in_4bit" if recipe.four_bit_base else "model_too_big"
    return MachineError(key, value=recipe.model, need=_gigabytes(need), free=_gigabytes(free))


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _of_run(run: str, home: Path) -> Path:
    match = _RUN.fullmatch(run)
    if match is None:
        raise ModelError("model_run_missing", value=run)
    run_id, step = match.groups()
    if step is None:
        model = home / "runs" / run_id / "model"
        if not model.is_dir():
            raise ModelError("model_run_missing", value=run)
        return model
    folder = RunFolder(home / "runs" / run_id)
    if int(step) not in (there := folder.kept_steps()):
        raise ModelError("model_checkpoint_missing", run=run_id, step=step, known=", ".join(map(str, there)) or "–")
    return folder.checkpoint_path(int(step))


def _folder(name: str, path: Path, home: Path) -> ModelRef:
    """A full model (config.json and safetensors) or a peft adapter (adapter_config.json names its base)."""
    adapter = path / "adapter_config.json"
    if adapter.is_file():
        base = str(config_of(adapter).get("base_model_name_or_path") or "")
        return ModelRef(name, _base(name, base, path, home), str(path))
    if not (path / "config.json").is_file():
        raise ModelError("model_not_a_model", value=str(path), missing="config.json")
    if not any(path.glob("*.safetensors")):
        raise ModelError("model_not_a_model", value=str(path), missing="*.safetensors")
    if not any((path / file).is_file() for file in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")):
        raise ModelError("model_not_a_model", value=str(path), missing="tokenizer.json")
    return ModelRef(name, str(path))


def _base(name: str, base: str, adapter: Path, home: Path) -> str:
    """The folder of an adapter's base, which its configuration names by folder or by hub id."""
    if "\0" not in base and Path(base).is_dir():
        return base
    if (moved := _moved_base(base, adapter, home)) is not None:
        return str(moved)
    if not HUB_ID.fullmatch(base):
        raise ModelError("model_base_missing", value=name, base=base)
    if (here := fetched(base, home)) is None:
        raise ModelError("model_not_here", value=base)
    return str(here)


def _moved_base(named: str, adapter: Path, home: Path) -> Path | None:
    """Where the base ``named`` in an adapter's configuration lies now; None where it is not found.

    peft records a base by its absolute path. A home or a checkout that was renamed, mounted elsewhere or copied keeps its own layout, so the
    end of that path names the same folder. A folder of the home counts only for an adapter in that same home: elsewhere, ``models/NAME`` may
    be anybody's.
    """
    for name, folder in SHIPPED.items():
        if Path(named.replace("\\", "/")).parts[-3:] == ("presets", name, "base") and folder.is_dir():
            return folder
    if not adapter.resolve().is_relative_to(home.resolve()):
        return None
    within = path_in_home(named)
    if not within or not (home / within).is_dir():
        return None
    return home / within


def path_in_home(named: str) -> str | None:
    """The end of an absolute path that lies within a home, with forward slashes: ``runs/ID/model`` or ``models/NAME``."""
    match = _IN_HOME.search(named)
    return match[1].replace("\\", "/") if match else None
