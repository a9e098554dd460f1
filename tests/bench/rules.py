"""What rewarding costs: each equation rule on completions it has not seen before, typical written rules, and the share of GRPO steps."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from lab.core.recipes import with_values
from lab.rules import RULES
from lab.runs.foreground import train_in_foreground
from lab.sandbox.rewards import Weighed, reward_batch
from lab.sandbox.written import WrittenRule, check_source, score_batch, worker
from lab.store.presets import load_preset
from lab.store.runs import RunState
from lab.tasks.equations import Split, Style, demonstrations
from tests.bench import lab
from tests.bench.figures import Figure, median
from tests.bench.written_rules import TYPICAL, cost

NAMES = ("equals_answer", "integer_answer", "consistent")
ROUNDS = 15
TYPED, ASKED = 60, 120
LOOPS = "def reward(prompt, completion, answer):\n    while True: pass\n"
STEPS, WARM = 40, 5  # of the real run; the first ones also pay for what is done once

Row = tuple[str, str, str]


def measure() -> list[Figure]:
    """Microseconds a completion, then a short real run."""
    rows = _rows()
    figures = [Figure(f"{name}, a completion", _microseconds([Weighed(RULES[name])], rows), "µs", 60) for name in NAMES]
    figures.append(
        Figure(
            "equals_answer, a plain completion (#### 1,234)",
            _microseconds([Weighed(RULES["equals_answer"])], _plain()),
            "µs",
            60,
        )
    )
    together = [Weighed(RULES[name]) for name in NAMES]
    figures.append(Figure("the three rules as one set, a completion", _microseconds(together, rows), "µs"))
    figures += [
        Figure(f"written: {kind}, a completion in batches of 64", cost(source)[0] * 1e6, "µs", 60)
        for kind, source in TYPICAL.items()
    ]
    worker().widen(2)
    worker().start()
    figures.append(Figure("written: five completions as they are typed, p95", _as_typed() * 1e3, "ms", 300))
    with ThreadPoolExecutor(1) as loops:
        looping = loops.submit(score_batch, WrittenRule("hostile", LOOPS), [("", "", None)])
        beside = _as_typed()
        looping.result()
    figures.append(Figure("…beside somebody else's endless loop, p95", beside * 1e3, "ms", 300))
    worker().close()
    figures.append(
        Figure("another request while hostile rules run on the bench, p95", _while_hostile() * 1e3, "ms", 150)
    )
    written = [{"name": kind, "source": source} for kind, source in TYPICAL.items()]
    figures += [
        Figure("rewarding, share of a GRPO step: the preset's rules", _share_of_a_step({}) * 100, "%", 5),
        Figure("rewarding, share of a GRPO step: written rules", _share_of_a_step({"rules": written}) * 100, "%", 5),
    ]
    return figures


def _rows() -> list[Row]:
    """Prompts and answers in every style, no text twice: what a rule remembers of an earlier one does not help."""
    everything = demonstrations(Split.TRAIN, 1, 20_000, dict.fromkeys(Style, 1.0))
    distinct = {row["completion"]: (row["prompt"], row["completion"], row["answer"]) for row in everything}
    rows = list(distinct.values())
    random.Random(1).shuffle(rows)
    return rows


def _plain() -> list[Row]:
    """Completions that end in plain numbers as GSM8K's do, no text twice."""
    return [
        ("How many are left?", f"She has {number} boxes and sells {number % 7} of them.\n#### {number:,}", str(number))
        for number in range(1000, 6000)
    ]


def _microseconds(rules: list[Weighed], rows: list[Row]) -> float:
    """Of processor time, so that a busy machine does not count."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        reward_batch(rules, rows)
        times.append((time.process_time() - started) / len(rows) * 1e6)
    return median(times)


def _as_typed() -> float:
    """Seconds from a changed source to the scores of five completions, a new source each time, the worker warm."""
    rows = _rows()[:5]
    score_batch(WrittenRule("warm", TYPICAL["compare numbers"]), rows)
    taken = []
    for number in range(TYPED):
        source = f"{TYPICAL['regular expression']}# {number}"
        started = time.perf_counter()
        wrong = check_source(source)
        scores = score_batch(WrittenRule("typed", source), rows)
        taken.append(time.perf_counter() - started)
        assert not wrong and all(score.error is None for score in scores)
    return sorted(taken)[int(0.95 * TYPED)]


def _while_hostile() -> float:
    """Seconds of a request to the served lab (the list of runs) while its bench is sent one endless loop after another."""
    with lab.home() as home, lab.running(home) as served:
        over = threading.Event()

        def attack() -> None:
            sent = {"rules": [{"name": "hostile", "source": LOOPS}], "rows": [{"completion": "x"}] * 8}
            headers = {"Content-Type": "application/json", "Origin": served.url}
            while not over.is_set():
                request = urllib.request.Request(f"{served.url}/api/rules/bench", json.dumps(sent).encode(), headers)
                with urllib.request.urlopen(request, timeout=30) as answer:
                    found = json.load(answer)["completions"]
                if "error" not in found[0]["scores"][0]:
                    raise RuntimeError(f"the loop ended: {found[0]}")

        with ThreadPoolExecutor(1) as pool:
            attacker = pool.submit(attack)
            time.sleep(1.0)
            taken = []
            for _ in range(ASKED):
                started = time.perf_counter()
                with urllib.request.urlopen(f"{served.url}/api/runs", timeout=30) as answer:
                    answer.read()
                taken.append(time.perf_counter() - started)
                time.sleep(0.04)
            over.set()
            attacker.result()
    return sorted(taken)[int(0.95 * ASKED)]


def _share_of_a_step(changes: dict[str, object]) -> float:
    """Σ reward_seconds / Σ seconds over the steps of the tiny GRPO preset, as its metrics.jsonl has them."""
    recipe = with_values(load_preset("tiny/grpo").recipe, {"steps": STEPS, "measure_samples": 0} | changes)
    with lab.home() as home, lab.store(home) as store:
        run = train_in_foreground(recipe, store)
        if run.state is not RunState.FINISHED:
            raise RuntimeError(f"the run did not finish: {store.folder(run.id).log().text[-2000:]}")
        lines = [line for line in store.folder(run.id).metrics().lines if line.get("step", 0) > WARM]
    return sum(line.get("reward_seconds", 0.0) for line in lines) / sum(line["seconds"] for line in lines)
