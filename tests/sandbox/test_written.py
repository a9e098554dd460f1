"""Written rules: what they score, what is said of a broken one, and that a score depends on nothing but its own completion."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lab.core.rules import NOT_RUN, Score
from lab.errors import MachineError, RuleError
from lab.sandbox import ready
from lab.sandbox.rewards import Weighed, reward_batch
from lab.sandbox.worker import Worker, Workers
from lab.sandbox.written import (
    BATCH,
    BATCH_CHARACTERS,
    LARGEST,
    Row,
    WrittenRule,
    _batches,
    check_rule,
    check_source,
    score_batch,
    worker,
)
from lab.words import word
from tests.bench.written_rules import TYPICAL, cost
from tests.hostile.attacks import body, gives

SENTENCES = ["x = 5", "x = 15/3", "x = 5", "无解", "3x = 15 → x = 5"]
ROWS: list[Row] = [("解方程 3x + 5 = 20", text, "5") for text in SENTENCES]
MANY: list[Row] = [(f"{number}", "x" * (number % 13) + f" x = {number % 7}", f"{number % 5}") for number in range(150)]


@pytest.fixture(scope="module", autouse=True)
def one_worker() -> Iterator[None]:
    yield
    worker().close()


def values(source: str, rows: list[Row] = ROWS, low: float = 0.0, high: float = 1.0) -> list[float | str]:
    scores = score_batch(WrittenRule("mine", source, low=low, high=high, fallback=low), rows)
    return [one.value if one.error is None else one.error for one in scores]


def test_scores_in_order() -> None:
    assert values(gives("1.0 if completion.endswith('= ' + answer) else 0.0")) == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert values(gives("len(prompt) + len(completion)"), high=100.0) == [len(ROWS[0][0]) + len(t) for t in SENTENCES]
    assert score_batch(WrittenRule("mine", gives("1.0")), []) == []


def test_bools_and_integers_are_numbers() -> None:
    assert values(gives("completion == 'x = 5'")) == [1.0, 0.0, 1.0, 0.0, 0.0]
    assert values(gives("1"), ROWS[:1]) == [1.0]


def test_an_unknown_answer_is_none() -> None:
    assert values(gives("1.0 if answer is None else 0.5"), [("", "", None), ("", "", "")]) == [1.0, 0.5]


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero (line 3)"),
        ("None", "gave NoneType, not a number"),
        ("'5'", "gave str, not a number"),
        ("1.5", "gave 1.5, outside its bounds 0 to 1"),
        ("float('nan')", "gave nan, not a finite number"),
        ("open('x')", "PermissionError: Permission denied: '/x' (line 3)"),
    ],
)
def test_errors_have_their_line_and_the_fallback(expression: str, error: str) -> None:
    rule = WrittenRule("mine", gives(expression), fallback=0.5)
    assert score_batch(rule, ROWS[:2]) == [Score(0.5, error)] * 2


def test_only_the_completion_that_fails_has_an_error() -> None:
    scores = score_batch(WrittenRule("mine", gives("float(completion[4:]) / 5")), ROWS[:2])
    assert scores[0] == Score(1.0) and scores[1].error is not None and scores[1].error.startswith("ValueError: could")


def test_lone_surrogates_in_a_completion_are_no_crash() -> None:
    assert values(gives("len(completion)"), [("\ud800", "x\ud800y", "\udfff")], high=9.0) == [3.0]


def test_more_and_longer_completions_than_a_batch() -> None:
    assert values(gives("len(completion) / 100"), MANY) == [len(row[1]) / 100 for row in MANY]
    long: list[Row] = [("", "x" * (BATCH_CHARACTERS // 2 + number), None) for number in range(5)]
    assert values(gives("len(completion)"), long, high=1e9) == [len(row[1]) for row in long]
    assert len(MANY) > BATCH


# What a score may depend on


@pytest.mark.parametrize(
    "source",
    [
        TYPICAL["regular expression"],
        body("global n", "n += 1", "return 1.0 / n", before="n = 0"),
        "def reward(prompt, completion, answer, seen=[]):\n    seen.append(completion)\n    return 1.0 / len(seen)\n",
        body("A.seen.append(completion)", "return 1.0 / len(A.seen)", before="class A:\n    seen = []\n"),
        gives("random.random()", "import random"),
        body("random.seed(completion)", "return random.Random().random()", before="import random"),
        body(
            "p = decimal.getcontext().prec", "decimal.getcontext().prec = 3", "return p / 100", before="import decimal"
        ),
        body("if 'xxx' in completion: raise ValueError(completion)", "return len(completion) / 100"),
        body("n = 0", "for letter in completion * 200: n += 1", "return n / 10000"),
        *(
            body(f"text = {text}", "return sum(map(ord, text)) % 997 / 1000", before="class A:\n    pass\n")
            for text in ("str(A())", "f'{A()}'", "'%s' % [A()]", "'{}'.format(A())", "str(iter(completion))")
        ),
        gives("sum(map(ord, f'{reward}{min}{[lambda: 1]}{re}{json.dumps}')) % 997 / 1000", "import re, json"),
    ],
    ids=[
        *("regex", "global", "default", "class", "random", "reseed", "decimal", "some-fail", "work"),
        *("str", "f-string", "percent", "format", "iterator", "functions"),
    ],
)
def test_a_score_depends_on_its_own_completion_only(source: str) -> None:
    rule = WrittenRule("mine", source)
    rows = MANY[:40]
    expected = {row: score_batch(rule, [row])[0] for row in rows}
    for seed in range(3):
        mixed = random.Random(seed).sample(rows, len(rows))
        assert score_batch(rule, mixed) == [expected[row] for row in mixed]
    assert score_batch(rule, rows[7:19]) == [expected[row] for row in rows[7:19]]


def test_what_another_rule_did_before_changes_nothing() -> None:
    mine = WrittenRule("mine", gives("random.random() / 2 + len(completion) / 1000", "import random"))
    before = score_batch(mine, ROWS)
    for other in (
        body("random.seed(7)", "return random.random()", before="import random"),
        body("global reward, mine", "reward = mine = None", "return 1.0"),
        body("while True: pass"),
        gives("'x' * 10 ** 9"),
    ):
        score_batch(WrittenRule("mine", other), ROWS[:2])
        assert score_batch(mine, ROWS) == before
    worker().close()
    assert score_batch(mine, ROWS) == before


def test_rules_of_a_set_do_not_see_one_another() -> None:
    counts = WrittenRule("counts", body("global n", "n = 1", "return 1.0"))
    sees = WrittenRule("sees", gives("1.0 if n else 0.0"), fallback=0.25)
    ready = score_batch(sees, ROWS)
    together = reward_batch([Weighed(counts, 2.0), Weighed(sees, -4.0)], ROWS)
    assert [reward.scores["sees"] for reward in together] == ready
    assert [reward.value for reward in together] == [1.0] * len(ROWS)


def test_sets_mix_both_kinds() -> None:
    from lab.sandbox.ready import READY

    rules = [
        *[Weighed(READY[name]) for name in ("integer_answer", "consistent", "equals_answer")],
        Weighed(WrittenRule("short", gives("1.0 if len(completion) < 6 else 0.0")), 0.5),
    ]
    assert [reward.value for reward in reward_batch(rules, ROWS)] == [3.5, 2.5, 3.5, 0.5, 3.0]


# What is said of a source


@pytest.mark.parametrize(
    ("source", "key", "line"),
    [
        ("def reward(prompt, completion, answer):\n    return (1\n", "rule_source_syntax", 2),
        ("x = 1\n", "rule_reward_missing", 1),
        ("", "rule_reward_missing", 1),
        ("reward = lambda p, c, a: 1.0\n", "rule_reward_missing", 1),
        ("\nasync def reward(p, c, a):\n    return 1.0\n", "rule_reward_missing", 2),
        (gives("1.0") + gives("0.5"), "rule_reward_twice", 5),
        ("def reward(prompt, completion):\n    return 1.0\n", "rule_reward_parameters", 1),
        ("\ndef reward(p, c, a, *rest):\n    return 1.0\n", "rule_reward_parameters", 2),
        (gives("1.0") + "x = 1 / 0\n", "rule_source_load", 4),
        (gives("1.0") + "\nimport socket\n", "rule_source_load", 5),
        (gives("1.0") + "class A(dict): pass\n", "rule_source_load", 4),
        (gives("1.0") + "while True: pass\n", "rule_source_late", 1),
        (gives("1.0") + "# \ud800\n", "rule_source_text", 4),
        (gives("1.0") + "x = '\0'\n", "rule_source_text", 4),
        (gives("1.0") + "#" * LARGEST, "rule_source_large", 1),
        ("x = " + "(" * 5000 + ")" * 5000, "rule_source_syntax", 1),
    ],
)
def test_what_is_wrong_and_where(source: str, key: str, line: int) -> None:
    first = check_source(source, "mine")[0]
    assert (first.key, first.params["line"]) == (key, line)
    for locale in ("en", "zh"):
        assert "{" not in word(first, locale) and "mine" in word(first, locale)


@pytest.mark.parametrize(
    "source", [*TYPICAL.values(), gives("h(completion)", "def h(x): return 1.0"), gives("1.0") + "#" * (LARGEST - 99)]
)
def test_good_sources_have_nothing_wrong(source: str) -> None:
    assert check_source(source) == []


@pytest.mark.parametrize(
    ("low", "high", "fallback", "key"),
    [
        (1, 0, 0, "rule_bounds"),
        (0, float("nan"), 0, "rule_bounds"),
        (0, 1, 2, "rule_fallback"),
        (0, 0, 0, "rule_bounds"),
    ],
)
def test_bounds_and_fallback(low: float, high: float, fallback: float, key: str) -> None:
    wrong = check_rule(WrittenRule("mine", gives("1.0"), low=low, high=high, fallback=fallback))
    assert [error.key for error in wrong] == [key]
    assert all(isinstance(error, RuleError) for error in wrong)


def test_a_cost_can_be_measured() -> None:
    median, best = cost(TYPICAL["compare numbers"], rounds=3)
    assert 0 < best <= median < 0.01


# The process


@pytest.mark.skipif(sys.platform != "linux", reason="these layers exist on Linux only")
def test_worker_and_interpreter_are_hardened() -> None:
    assert {"no_new_privs", "parent_death", "address_space"} <= set(worker().start())
    score_batch(WrittenRule("mine", gives("1.0")), ROWS)
    process = worker().all[0]._process
    assert process is not None
    (interpreter,) = psutil.Process(process.pid).children()
    for pid in (process.pid, interpreter.pid):
        folder = Path("/proc") / str(pid)
        assert "NoNewPrivs:\t1" in (folder / "status").read_text()
        assert (folder / "environ").read_bytes().strip(b"\0") == b""
        limits = (folder / "limits").read_text()
        assert f"Max address space         {1 << 30}" in limits and "Max file size             0 " in limits


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals exist on Linux only")
def test_an_endless_rule_ends_with_a_killed_lab() -> None:
    """Also where the interpreter does not look at its clock: a product of huge integers."""
    program = (
        "import sys, threading, time, psutil\n"
        "from lab.sandbox.written import WrittenRule, score_batch, worker\n"
        "good = WrittenRule('good', 'def reward(p, c, a): return 1.0')\n"
        "bad = WrittenRule('bad', 'def reward(p, c, a):\\n    x = 3\\n    while True: x = x * x')\n"
        "score_batch(good, [('', '', None)])\n"
        "top = psutil.Process(worker().all[0]._process.pid)\n"
        "print(top.pid, *[one.pid for one in top.children()], flush=True)\n"
        "threading.Thread(target=score_batch, args=(bad, [('', '', None)])).start()\n"
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(children) == 2
    start = time.monotonic()
    while children[1].cpu_times().user < 0.05 and time.monotonic() - start < 5:
        time.sleep(0.01)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    start = time.monotonic()
    while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in children):
        assert time.monotonic() - start < 2
        time.sleep(0.01)


def test_a_sandbox_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the machine's fault, and neither a score nor the rule's depth."""
    worker().close()
    monkeypatch.setattr(worker().all[0], "program", "no_such_program.py")
    rule = WrittenRule("mine", gives("1.0"))
    for use in (worker().start, lambda: check_source(rule.source), lambda: reward_batch([Weighed(rule)], ROWS)):
        with pytest.raises(MachineError, match="sandbox_failed"):
            use()


def test_the_workers_of_ready_made_rules_say_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ready.worker().close()
    monkeypatch.setattr(ready.worker(), "program", "no_such_program.py")
    with pytest.raises(MachineError, match="sandbox_failed"):
        reward_batch([Weighed(ready.READY["python_parses"])], ROWS)


def test_no_batch_begins_when_time_is_over() -> None:
    rule = WrittenRule("mine", gives("1.0"), fallback=0.5)
    scores = score_batch(rule, MANY, time.monotonic())
    assert scores == [Score(0.5, NOT_RUN)] * len(MANY)
    assert score_batch(rule, MANY, time.monotonic() + 60) == [Score(1.0)] * len(MANY)


LOOPS = "def reward(p, c, a):\n    while True:\n        pass\n"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """A worker that is killed before its own limit of time comes."""
    workers = Workers(0.2, "inside_written.py")
    workers.start()
    monkeypatch.setattr("lab.sandbox.written.worker", lambda: workers)
    yield workers
    workers.close()


def test_a_call_that_is_killed_scores_the_fallback(hasty: Workers) -> None:
    rule = WrittenRule("loops", LOOPS, fallback=0.75)
    assert score_batch(rule, ROWS[:2]) == [Score(0.75, "TimeoutError: took longer than 0.2 s")] * 2


def test_a_call_whose_workers_die_scores_the_fallback(hasty: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty.all[0].longest_call = 5.0
    running = Worker._running

    def doomed(worker: Worker) -> subprocess.Popen[str]:
        process = running(worker)
        threading.Timer(0.05, process.kill).start()
        return process

    monkeypatch.setattr(Worker, "_running", doomed)
    scores = score_batch(WrittenRule("loops", LOOPS, fallback=0.75), ROWS[:2])
    assert scores == [Score(0.75, "the sandbox ended while it ran this rule")] * 2


def test_a_worker_that_is_killed_from_outside_is_not_the_rules_doing(hasty: Workers) -> None:
    hasty.all[0].longest_call = 5.0
    process = hasty.all[0]._process
    assert process is not None
    killer = threading.Timer(0.05, process.kill)
    killer.start()
    scores = score_batch(WrittenRule("loops", LOOPS, fallback=0.75), ROWS[:1])
    killer.join()
    assert "TimeoutError" in str(scores[0].error), "its own limit, in another process"


def test_batches_end_at_their_number_and_at_their_characters() -> None:
    half = "x" * (BATCH_CHARACTERS // 2)
    assert [len(batch) for batch in _batches([("", half, None)] * 5)] == [2, 2, 1]
    assert [len(batch) for batch in _batches([("p", half, None)] * 3)] == [1, 1, 1]
    assert [len(batch) for batch in _batches([("", half, "a")] * 3)] == [1, 1, 1]
    assert [len(batch) for batch in _batches([("", "", None)] * (BATCH + 1))] == [BATCH, 1]
    assert [len(batch) for batch in _batches([("", 3 * half, None), ("", "", None)])] == [1, 1]


def test_what_one_completion_leaves_in_the_namespace_is_gone_for_the_next() -> None:
    """Loading the source again would not take it away: it is kept where the name is there already."""
    counts = """
try:
    count += 0
except NameError:
    count = 0


def reward(prompt, completion, answer):
    global count
    count += 1
    return float(count)
"""
    assert values(counts, high=10.0) == [1.0] * len(ROWS)


def test_a_rule_may_need_64_megabytes_and_no_more() -> None:
    assert values(gives("float(len('a' * (16 << 20)) > 0)"), ROWS[:1]) == [1.0]
    (told,) = values(gives("float(len('a' * (100 << 20)) > 0)"), ROWS[:1])
    assert "64 MB" in str(told)
