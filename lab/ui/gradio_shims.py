"""Everything that leans on how Gradio is made inside, in one place: what each part does, and what it saves.

| part | what it saves |
|---|---|
| ``import_gradio``: no stub files | 36 % of the processor time of the import (7.1 → 4.6 s) |
| ``import_gradio``: pandas when it is first used | 12 % of that time (5.3 → 4.6 s), 67 of 187 MB |
| ``plotly_chunk``: asked for with the page, where it opens on Compare | 20 % of the time from the tabs to the figures (3.4 → 2.7 s, six pairs) |
| plotly.js with two of its forty traces (``lab/server/gradio_scripts.py``) | 80 % of the time in which it is set up (1.75 → 0.36 s) |
| events found by component (there, too) | 20 % of the time until Start can be used (2.31 → 1.85 s, medians of five) |
| the page is not built twice (there, too) | 20 % of that time (1.85 → 1.48 s) |
| events without arguments search for nothing (there, too) | 14 % of that time (1.48 → 1.28 s) |
| ``hide_progress`` | 50 % of the browser's work until the page can be used (19.6 → 9.7 s) |

Measured with Gradio 6.31 on two cores under load, so that only the shares mean something. A part that saves less than 10 % is removed.
``send_whole_updates`` saves nothing: it mends what Gradio's page loses.
``opening_tab.js`` writes into Gradio's configuration too: no option of Gradio's chooses the tab by the address.

This module does not import gradio at its top: ``import_gradio`` must run before anything else imports gradio, and has no
effect later.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gradio as gr

STUBS = ("gradio.component_meta", "create_or_modify_pyi")
"""Gradio writes ``.pyi`` stubs for editors into its own package, and beside the lab's components, each time that a component class is
made: it parses every component's source twice and renders about 300 templates. The lab may have no right to write there."""
LATER = "pandas"
"""Gradio imports pandas (with pyarrow) at its top, for annotations and for tables, which the lab has none of. Gradio's modules get a
stand-in that imports pandas when they first use it; everybody else's ``import pandas`` is the real one."""


# ---- the import


def import_gradio() -> None:
    """Import gradio without stub files and without pandas. It also turns telemetry off: Gradio and the Hub's client read these variables
    only once."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if "gradio" in sys.modules:
        return
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        with _no_socks_proxy():
            importlib.import_module("gradio")
    finally:
        sys.meta_path.remove(finder)
        if isinstance(sys.modules.get(LATER), _Later):
            del sys.modules[LATER]


@contextmanager
def _no_socks_proxy() -> Iterator[None]:
    """Without the variables that name a SOCKS proxy; they are back afterwards, for the workers that fetch.

    Gradio makes an HTTP client as it is imported, which fails where such a proxy is named and the package ``socksio`` is not installed.
    """
    hidden = {
        name: value
        for name, value in os.environ.items()
        if name.lower().endswith("_proxy") and value.strip().lower().startswith("socks")
    }
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


class _Later(ModuleType):
    """Stands in for a module until something of it is read; then, and ever after, it reads the real one."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)  # the import system asks a new module for these
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the two modules as the standard finder does, with another loader."""

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


# ---- the page


def hide_progress(blocks: gr.Blocks) -> None:
    """Name no component that shows the progress of events that show none.

    Without this, Gradio's page goes through its whole tree for each output of every event there ever was, whenever one of those events
    begins or ends.
    """
    for event in blocks.fns.values():
        if event.show_progress == "hidden":
            event.show_progress_on = []


# ---- what goes to the page


def plotly_chunk() -> str:
    """The name of Gradio's script that holds plotly.js, of a megabyte; empty where there is none. Gradio asks for it with the first figure."""
    import gradio

    scripts = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
    return next((script.name for script in scripts.glob("PlotlyPlot-*.js")), "")


def send_whole_updates() -> None:
    """Send each update of a handler that yields as one whole, never as a change of the one before.

    Gradio sends the difference to the update before, and its page works this into the very object that the page may still have to draw:
    of two yields that arrive together, the first lost what the second does not name, and fields stayed empty in a slow browser.
    A text that grows is sent as what was added, as before.
    """
    from gradio import utils

    utils.diff = _whole


def _whole(old: Any, new: Any) -> list[list[Any]]:
    """Gradio's edits that make ``new`` of ``old``: [action, path, value]."""
    if old == new:
        return []
    if isinstance(old, str) and isinstance(new, str) and new.startswith(old):
        return [["append", [], new[len(old) :]]]
    return [["replace", [], new]]
