"""Which sources may be loaded once for a batch: only those that can hold no state; and which may share a session at all."""

from __future__ import annotations

import pytest

from lab.sandbox.source_shape import Sharing, sharing
from tests.bench.written_rules import TYPICAL
from tests.hostile.attacks import ATTACKS, body, gives

STATELESS = [
    *TYPICAL.values(),
    '"""Words."""\n' + gives("h(completion) * SCALE", "import math\nSCALE = -0.5\nNAMES = ('a', ('b', 1))\ndef h(x, y=1): return y"),
    gives("float(bool(P.search(completion)))", "import re\nP = re.compile('x', re.IGNORECASE)"),
    "def reward(prompt: str, completion: str, answer: str) -> float:\n    seen = []\n    seen.append(1)\n    return 1.0\n",
]  # fmt: skip

STATEFUL = [
    gives("1.0", "SEEN = []"),
    gives("1.0", "SEEN = {}"),
    gives("1.0", "SEEN = (1, [])"),
    gives("1.0", "SEEN = iter('abc')"),
    gives("1.0", "import itertools"),
    gives("1.0", "import sys"),
    gives("1.0", "import re as math"),
    gives("1.0", "from functools import lru_cache"),
    gives("1.0", "from . import re"),
    gives("1.0", "def h(seen=[]): return seen"),
    gives("1.0", "def h(*, seen={}): return seen"),
    gives("1.0", "h = lambda seen=[]: seen"),
    gives("1.0", "class A: pass"),
    gives("1.0", "if True: SEEN = []"),
    gives("1.0", "for n in range(3): pass"),
    gives("1.0", "x: int = 3"),
    gives("1.0", "x = y = h()"),
    gives("1.0", "import re\nP = re.compile(*[])"),
    gives("1.0", "import re\nP = re.escape('x').split()"),
    gives("1.0", "@wrap\ndef h(): pass"),
    gives("1.0", "def h(x: [].append(1)): pass"),
    gives("1.0", "def h() -> print(): pass"),
    body("global n", "n = 1", "return 1.0"),
    body("reward.n = 1", "return 1.0"),
    body("reward.n += 1", "return 1.0"),
    body("reward.__dict__['n'] = 1", "return 1.0"),
    body("setattr(reward, 'n', 1)", "return 1.0"),
    body("getattr(reward, '__dict__')['n'] = 1", "return 1.0"),
    body("P.groupindex['n'] = 1", "return 1.0", before="import re\nP = re.compile('(?P<n>x)')"),
    body("import sys", "return 1.0"),
    body("re = None", "return 1.0", before="import re"),
    "async def reward(p, c, a): return 1.0\n",
    "def re(): pass\n" + gives("1.0"),
]


@pytest.mark.parametrize("source", STATELESS)
def test_what_can_hold_no_state_is_loaded_once(source: str) -> None:
    assert sharing(source) is Sharing.SOURCE


@pytest.mark.parametrize("source", STATEFUL)
def test_what_could_hold_state_is_loaded_for_each(source: str) -> None:
    assert sharing(source) is not Sharing.SOURCE


@pytest.mark.parametrize("source", [attack.source for attack in ATTACKS if attack.kind == "state"])
def test_no_attack_by_state_is_loaded_once(source: str) -> None:
    if "time" in source or "{'a', 'b'" in source:
        return  # they hold none: they look for it in the machine
    assert sharing(source) is not Sharing.SOURCE


@pytest.mark.parametrize("name", ["random", "decimal"])
def test_what_can_tell_a_past_gets_a_session_each(name: str) -> None:
    for source in (
        f"import {name}",
        f"from {name} import *",
        f"def h():\n    import {name} as m",
        "x = id(1)",
        "exec('')",
    ):
        assert sharing(source) is Sharing.NOTHING


@pytest.mark.parametrize(
    "lines",
    [
        "class A: pass",
        "class A:\n    def __str__(self): return ''",
        "def h():\n    class A: pass",
        "x = iter('a')",
        "x = type('X', (), {})",
        "make = type",
        "x = type(*h)",
    ],
)
def test_an_object_whose_text_tells_where_it_lies_gets_a_session_each(lines: str) -> None:
    assert sharing(gives("1.0", lines)) is Sharing.NOTHING


@pytest.mark.parametrize(
    "lines",
    [
        "class A:\n    def __repr__(self): return 'A'",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int",
        "x = type(3)",
    ],
)
def test_one_with_a_text_of_its_own_shares_a_session(lines: str) -> None:
    assert sharing(gives("1.0", lines)) is Sharing.SESSION


@pytest.mark.parametrize("source", ["x = (", "\0", "(" * 5000, "-" * 60000])
def test_what_cannot_be_read_shares_nothing(source: str) -> None:
    assert sharing(source) is Sharing.NOTHING
