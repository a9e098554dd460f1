"""Reading TOML that somebody sent. Parsing it can take minutes or exhaust a process (long dotted keys, deep nesting), so it is done in
the worker that can be killed (``inside.py``), never in the lab's own process.
"""

from __future__ import annotations

from typing import Any

from lab.sandbox.ready import worker


def read_toml(text: str) -> dict[str, Any]:
    """The values of a TOML text, as JSON has them (a date is text). Raises ValueError with the reason where it is none, or takes
    too long; MachineError where the worker does not start."""
    try:
        reply = worker().ask({"toml": text})
    except TimeoutError:
        raise ValueError(f"it takes longer than {worker().longest_call:g} s to read") from None
    except ChildProcessError:
        raise ValueError("it is too large or nested too deeply to be read") from None
    if "error" in reply:
        raise ValueError(reply["error"])
    values = reply["value"]
    assert isinstance(values, dict)
    return values
