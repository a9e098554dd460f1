"""What the tests of annotation stand on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.annotation.collections import Annotation
from lab.store.runs import Store


@pytest.fixture
def annotation(lab_home: Path) -> Iterator[Annotation]:
    store = Store(lab_home, allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()
