"""The rooms: who may import whom, and what the page's process must never load."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets")


def test_imports_point_up_the_list_of_rooms() -> None:
    """The contracts stand in pyproject.toml; this is `lint-imports`, so that pytest alone shows a breach too."""
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program, "import-linter is not installed: `make test` installs requirements-dev.txt"
    result = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_every_room_is_in_the_list() -> None:
    """A new room that no contract names could import what it likes."""
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = {name for line in contracts[0]["layers"] for name in line.replace(" ", "").split("|")}
    rooms = {
        f"lab.{path.stem}"
        for path in (ROOT / "lab").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - {"lab.__init__"} == layers
    without_training = next(c for c in contracts if "transformers" in c.get("forbidden_modules", ()))
    assert set(without_training["source_modules"]) == layers - {"lab.training"}


def loaded_by(modules: str) -> str:
    """Which heavy modules a fresh process has loaded after importing these."""
    program = f"import sys, {modules}; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.strip().splitlines()[-1]


def test_importing_the_app_loads_no_torch() -> None:
    assert loaded_by("app") == "[]"


def test_the_page_and_the_server_load_no_torch() -> None:
    """What app.py opens when it starts; it imports these late, so importing it proves little."""
    assert (
        loaded_by("lab.runs.supervisor, lab.server.application, lab.server.serve, lab.ui.page, lab.sandbox.ready")
        == "[]"
    )


def test_the_command_line_loads_no_torch() -> None:
    assert loaded_by("lab.__main__") == "[]"
