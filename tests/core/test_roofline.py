"""The roofline: the least seconds of a part's work as a share of those it took, by hand."""

from __future__ import annotations

import math

import pytest

from lab.core.roofline import MachineSpeed, roofline

SPEED = MachineSpeed("cpu", "fp32", flops=100.0, bytes=10.0)
FIRST = {"time/waiting": 1.0, "time/forward": 9.0, "flops/forward": 1.0, "bytes/forward": 1.0}


def step(**more: float) -> dict[str, float]:
    return {"time/waiting": 0.0, **{name.replace("_", "/"): value for name, value in more.items()}}


def test_a_part_needs_the_longer_of_its_products_and_its_reading() -> None:
    lines = [
        FIRST,
        step(
            time_forward=4.0,
            flops_forward=200.0,
            bytes_forward=10.0,
            time_generation=8.0,
            flops_generation=100.0,
            bytes_generation=40.0,
        ),
        step(time_forward=1.0, flops_forward=50.0, bytes_forward=1.0),
    ]
    found = roofline(lines, SPEED)
    assert found is not None
    assert found["parts"] == {"generation": 4 / 8, "forward": (2 + 0.5) / 5}
    assert (found["flops"], found["bytes"], found["format"], found["device"]) == (100.0, 10.0, "fp32", "cpu")


def test_a_step_that_has_no_counts_is_left_out_of_the_share() -> None:
    lines = [FIRST, step(time_forward=4.0, flops_forward=200.0, bytes_forward=1.0), step(time_forward=100.0)]
    assert roofline(lines, SPEED)["parts"] == {"forward": 0.5}  # type: ignore[index]


@pytest.mark.parametrize("lines", [[], [{"step": 1}], [FIRST | {"flops/forward": None}], [step(time_forward=1.0)]])
def test_nothing_is_said_where_nothing_was_counted(lines: list[dict[str, float]]) -> None:
    assert roofline(lines, SPEED) is None


def test_nothing_is_said_of_a_machine_that_was_not_measured() -> None:
    assert roofline([FIRST, step(time_forward=4.0, flops_forward=2.0)], None) is None


@pytest.mark.parametrize(
    "values",
    [None, [], {}, {"device": "cpu", "format": "fp32", "flops": 0, "bytes": 1}, {"device": "cpu", "format": "fp32", "flops": 1, "bytes": math.nan},
     {"device": "cpu", "format": "fp32", "flops": "1", "bytes": 1}, {"device": 1, "format": "fp32", "flops": 1, "bytes": 1}],
)  # fmt: skip
def test_a_file_that_is_no_speed_is_none(values: object) -> None:
    assert MachineSpeed.of(values) is None


def test_a_speed_is_read_as_it_was_written() -> None:
    assert MachineSpeed.of({"device": "cpu", "format": "bf16", "flops": 2, "bytes": 3.5}) == MachineSpeed(
        "cpu", "bf16", 2.0, 3.5
    )
