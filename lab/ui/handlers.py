"""What the handlers of the page share: how they are wired, what they return, and how an error becomes a sentence.

A handler reads its inputs, makes one call into core, store, annotation or runs, and returns ``{component: update}``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from gradio.blocks import Block

from lab.errors import LabError, MachineError
from lab.ui.notice import notice
from lab.words.sentences import language_of, problem

Updates = dict[Block, Any]
Handler = TypeVar("Handler", bound=Callable[..., Any])

LIGHT: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""For handlers of a few milliseconds: they wait in no queue, dim nothing, and are offered to no API client."""
SLOW: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
"""For handlers that read or write much: they wait in Gradio's queue, and the page shows that they work."""
READING: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""For handlers that read a file: they wait in the queue, and show themselves how far they are."""


def words_errors(place: str | Block, *, of_file: bool = False) -> Callable[[Handler], Handler]:
    """Show the sentence of a LabError that the decorated handler raises; nothing else on the page changes.

    ``place`` is the component that shows it; for a method the name of the attribute that holds the component (``"form.message"``).
    ``of_file``: see ``error_notice``. Stands below ``@requires``.
    """

    def decorate(handler: Handler) -> Handler:
        def shown(error: LabError, values: tuple[Any, ...]) -> Updates:
            component, request = (
                (attrgetter(place)(values[0]), values[1]) if isinstance(place, str) else (place, values[0])
            )
            return {component: error_notice(error, request, of_file=of_file)}

        @functools.wraps(handler)
        def answer(*values: Any) -> Any:
            try:
                return handler(*values)
            except LabError as error:
                return shown(error, values)

        @functools.wraps(handler)
        def steps(*values: Any) -> Iterator[Any]:
            try:
                yield from handler(*values)
            except LabError as error:
                yield shown(error, values)

        return steps if inspect.isgeneratorfunction(handler) else answer  # type: ignore[return-value]

    return decorate


def error_notice(error: LabError, request: Any, *, of_file: bool = False) -> str:
    """The sentence of an error. ``of_file``: a file that somebody brought is called by its name alone, since its folder is the page's own."""
    if of_file and not isinstance(error, MachineError):
        params = {name: Path(str(value)).name if name == "path" else value for name, value in error.params.items()}
        error = type(error)(error.key, **params)
    return notice(problem(error, language_of(request)), "problem")
