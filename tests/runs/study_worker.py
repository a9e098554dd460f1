"""The fake worker, with a model at its end, so that another run can start from it: ``python study_worker.py RUN_DIR``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.runs import fake_worker

MODEL = Path(__file__).resolve().parents[2] / "presets" / "tiny" / "base"

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    status = fake_worker.main()
    if status == 0:
        shutil.copytree(MODEL, folder / "model", dirs_exist_ok=True)
    sys.exit(status)
