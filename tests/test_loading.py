"""A process loads its libraries without looks for garbage, and a run without 4-bit weights without bitsandbytes."""

from __future__ import annotations

import subprocess
import sys

LOOKS = """
import gc
from lab.loading import find_again, hide, loading
with loading():
    assert not gc.isenabled()
    kept = [object() for _ in range(10)]
assert gc.isenabled() and gc.get_freeze_count() > 0
frozen = gc.get_freeze_count()
with loading():
    more = [[] for _ in range(5000)]
assert gc.get_freeze_count() <= frozen and gc.isenabled()
hide("colorsys", "gc")
import gc
try:
    import colorsys
except ImportError:
    print("hidden")
find_again("colorsys", "gc", "nobody")
import colorsys
print(colorsys.rgb_to_hsv(0, 0, 0))
"""


def test_the_collector_rests_while_libraries_are_loaded_and_goes_on_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", LOOKS], capture_output=True, text=True, check=True)
    assert done.stdout == "hidden\n(0.0, 0.0, 0)\n"
