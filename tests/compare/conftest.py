"""A store of this test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.store.runs import Store


@pytest.fixture
def store(lab_home: Path) -> Iterator[Store]:
    store = Store(lab_home)
    yield store
    store.close()
