"""Makes the import of Gradio cheap: start-up time and memory. Nothing else is changed, and nothing is hidden.

Two things are left out; together they are half of the import's time and 70 MB:

- Gradio writes ``.pyi`` stubs for editors into its own package (and beside our components) each time a component
  class is made: it parses every component's source twice and renders about 300 templates. The lab's process is no
  editor, and its user may not write there, so that call does nothing.
- Gradio imports pandas (with pyarrow) at its top, for annotations and for tables that are rarely on the first page.
  Gradio's modules get a stand-in, which imports pandas when they first use it. Everybody else's ``import pandas`` is
  the real one.

It is also where telemetry is turned off: Gradio and the Hub's client look at these variables only once.

Call ``import_gradio`` before anything else imports gradio; later it has no effect.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import ModuleType

STUBS = ("gradio.component_meta", "create_or_modify_pyi")
LATER = "pandas"


def import_gradio() -> None:
    """Import gradio without the two, and with nobody's use of the lab reported anywhere."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if "gradio" in sys.modules:
        return
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module("gradio")
    finally:
        sys.meta_path.remove(finder)
        if isinstance(sys.modules.get(LATER), _Later):
            del sys.modules[LATER]


class _Later(ModuleType):
    """Stands in for a module until something of it is read; then, and ever after, it reads the real one."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)  # the import system asks a new module for these
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the two modules as the usual finder does, with another loader."""

    def __init__(self) -> None:
        self.put_off = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == LATER and not self.put_off and LATER not in sys.modules:
            self.put_off = True  # the second to ask for it is the stand-in itself
            return importlib.machinery.ModuleSpec(fullname, _LaterLoader())
        if fullname != STUBS[0]:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _WithoutStubs(spec.loader)
        return spec


class _LaterLoader(importlib.abc.Loader):
    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Later(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing yet."""


class _WithoutStubs(importlib.abc.Loader):
    """Runs the real loader, then takes the function out of the module that it made."""

    def __init__(self, real: importlib.abc.Loader) -> None:
        self.real = real

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.real.exec_module(module)
        if hasattr(module, STUBS[1]):  # a later Gradio may have dropped it: then there is nothing to leave out
            setattr(module, STUBS[1], lambda *_args, **_kwargs: None)
