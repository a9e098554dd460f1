"""The sentence of an error takes the place of a handler's answer, and Gradio still sees the handler's own signature."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio.helpers import special_args

from lab.core.access import Access, requires
from lab.errors import DatasetError, MachineError
from lab.ui.handlers import Updates, error_notice, words_errors

REQUEST: Any = SimpleNamespace(headers={"accept-language": "en"})
MISSING = DatasetError("dataset_missing", path="/tmp/page/cache/rows.csv")


class Part:
    """Two handlers that fail on demand."""

    def __init__(self) -> None:
        self.told = SimpleNamespace(message=gr.HTML())
        self.bar = gr.HTML()

    @requires(Access.OWNER)
    @words_errors("told.message")
    def saved(self, request: gr.Request, fails: Any) -> Updates:
        """Saves."""
        if fails:
            raise MISSING
        return {self.bar: "saved"}

    @requires(Access.OWNER)
    @words_errors("told.message", of_file=True)
    def read(self, request: gr.Request, fails: Any) -> Iterator[Updates]:
        """Reads."""
        yield {self.bar: "half"}
        if fails:
            raise MISSING
        yield {self.bar: "whole"}


@pytest.fixture
def part() -> Part:
    with gr.Blocks(analytics_enabled=False):
        return Part()


def test_an_error_changes_the_message_alone(part: Part) -> None:
    assert part.saved(REQUEST, False) == {part.bar: "saved"}
    updates = part.saved(REQUEST, True)
    assert list(updates) == [part.told.message]
    assert 'class="problem"' in updates[part.told.message] and "/tmp/page/cache/rows.csv" in updates[part.told.message]


def test_steps_before_an_error_are_shown_and_the_file_is_called_by_its_name(part: Part) -> None:
    assert list(part.read(REQUEST, False)) == [{part.bar: "half"}, {part.bar: "whole"}]
    half, error = part.read(REQUEST, True)
    assert half == {part.bar: "half"}
    assert "rows.csv" in error[part.told.message] and "/tmp" not in error[part.told.message]


def test_a_handler_without_an_owner_names_the_component(part: Part) -> None:
    @words_errors(part.bar)
    def filled(request: gr.Request, value: Any) -> Updates:
        raise MISSING

    assert list(filled(REQUEST, 1)) == [part.bar]


def test_other_exceptions_stay_what_they_are(part: Part) -> None:
    @words_errors(part.bar)
    def broken(request: gr.Request) -> Updates:
        raise KeyError("a fault of the lab")

    with pytest.raises(KeyError):
        broken(REQUEST)


def test_gradio_sees_request_and_steps(part: Part) -> None:
    request = gr.Request()
    for handler in (part.saved, part.read):
        assert special_args(handler, [True], request=request)[0] == [request, True]
        assert handler.access is Access.OWNER  # type: ignore[attr-defined]
    assert inspect.isgeneratorfunction(part.read) and not inspect.isgeneratorfunction(part.saved)


def test_a_folder_of_the_lab_is_named_in_full() -> None:
    full = MachineError("disk_full", path="/data/lab_home")
    assert "/data/lab_home" in error_notice(full, REQUEST, of_file=True)
