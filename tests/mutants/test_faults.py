"""The lists of faults fit the tree: every text stands where its entry says, once, and every test that it names is there."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.__main__ import ROOT
from tests.mutants.faults import Fault, read_faults, wrong_entries


def test_every_fault_can_be_put_in_and_its_tests_are_there() -> None:
    faults = read_faults([])
    assert len(faults) > 100
    assert list(wrong_entries(faults, ROOT)) == []


def test_a_fault_of_python_leaves_a_file_that_can_be_read() -> None:
    for fault in read_faults([]):
        path = fault.file(ROOT)
        changed = path.read_text("utf-8").replace(fault.find, fault.put)
        assert fault.find != fault.put, fault.what
        if path.suffix == ".py":
            ast.parse(changed)  # a file that does not load would be noticed by any test


@pytest.mark.parametrize(
    ("find", "test", "line"),
    [
        ("this stands nowhere", "tests/mutants/faults.py", "stands 0 times"),
        ("self", "tests/mutants/faults.py", "not once"),
        ("The faults that the tests must notice", "tests/no_such_test.py", "there is no tests/no_such_test.py"),
    ],
)
def test_an_entry_that_does_not_fit_is_named(find: str, test: str, line: str) -> None:
    wrong = list(wrong_entries([Fault("a fault", "tests/mutants/faults.py", find, "", (test,))], ROOT))
    assert len(wrong) == 1 and line in wrong[0]
