"""The rule bench: from the last key stroke until the new scores are painted, while somebody types a rule of their own.

A time holds the pause after the last key (60 ms), the request, the sandbox and the wait for the frame.
"""

from __future__ import annotations

from tests.bench import lab
from tests.bench.browser import Visit, chromium
from tests.bench.figures import Figure, quantile

CHANGES = 60

# Each change is a burst of three keys, 40 ms apart, of which the last makes the rule give another number.
TYPE = """async (changes) => {
  const source = document.querySelector("[data-testid=rule-source]");
  const scores = () => [...document.querySelectorAll("[data-testid=bench-row]")].map((row) => row.querySelectorAll("td.score")[3].dataset.score);
  const pause = (time) => new Promise((next) => setTimeout(next, time));
  const painted = () => new Promise((done) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = done;
    port2.postMessage(null);
  }));
  const type = (digits) => {
    source.value = `def reward(prompt, completion, answer):\\n    return 0.${digits} if completion.endswith(answer) else 0.0\\n`;
    source.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const times = [];
  for (let change = 0; change < changes; change += 1) {
    const digits = `${11 + change}7`;
    for (const part of [digits.slice(0, 1), digits.slice(0, 2)]) { type(part); await pause(40); }
    const started = performance.now();
    type(digits);
    do await painted(); while (scores()[0] !== "0." + digits);
    times.push(performance.now() - started);
    await pause(150 + 100 * Math.random());
  }
  return times;
}"""


def measure() -> list[Figure]:
    """Four rules on the five completions of the worked example, one of them written and edited."""
    with lab.home() as home, lab.running(home) as started, chromium() as browser:
        visit = Visit(browser, started)
        page = visit.page
        page.get_by_role("tab", name="Rules").click()
        page.locator("[data-testid=rule-bench][data-state=scored]").wait_for()
        page.get_by_test_id("write-rule").click()
        page.locator("[data-testid=rule-bench][data-state=scored]").wait_for()
        page.evaluate(TYPE, 5)  # the sandbox's workers are there now: warm
        times = page.evaluate(TYPE, CHANGES)
        visit.close()
    return [
        Figure(f"last key → scores painted, p50 of {len(times)}", quantile(times, 0.5), "ms"),
        Figure(f"last key → scores painted, p95 of {len(times)}", quantile(times, 0.95), "ms", 300),
    ]
