"""A pytest plugin for the runs with faults: hypothesis stops at the first example that fails, and draws the same ones each time."""

from __future__ import annotations

from hypothesis import Phase, settings

settings.register_profile("faults", database=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
settings.load_profile("faults")
