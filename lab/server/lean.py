"""Makes the import of Gradio cheap: start-up time and memory. Nothing else is changed, and nothing is hidden.

Two things are left out, both measured on two cores (``docs/benchmarks`` has the numbers):

- Gradio writes ``.pyi`` stubs for editors into its own package each time a component class is made. That parses every
  component's source twice and renders about 300 templates: half of the import. The lab's process is no editor, and its
  user may not write there, so the call does nothing here.
- pandas (with pyarrow) is imported by Gradio for annotations and for tables that are rarely on the first page. It
  is loaded when something first touches it.

Call ``trim_imports`` before anything imports gradio; afterwards it has no effect.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

LAZY = ("pandas",)
STUBS = ("gradio.component_meta", "create_or_modify_pyi")


class _After(importlib.abc.Loader):
    """Runs the real loader, then ``change`` on the module that it made."""

    def __init__(self, real: importlib.abc.Loader, change: Callable[[ModuleType], None]) -> None:
        self.real = real
        self.change = change

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.real.exec_module(module)
        self.change(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the two kinds of modules that are trimmed, by asking the finders behind it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in LAZY and fullname != STUBS[0]:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        if fullname in LAZY:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        else:
            spec.loader = _After(spec.loader, _without_stubs)
        return spec


def _without_stubs(module: ModuleType) -> None:
    if hasattr(module, STUBS[1]):  # a later Gradio may have dropped it: then there is nothing to leave out
        setattr(module, STUBS[1], lambda *_args, **_kwargs: None)


def trim_imports() -> None:
    """Install the finder once, unless gradio is already there."""
    if "gradio" in sys.modules or any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
