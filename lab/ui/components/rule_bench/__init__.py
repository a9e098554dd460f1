"""The rule bench: write a rule, see at once what it says of completions, and what a group would learn from it."""

from lab.ui.components.rule_bench.component import examples, rule_bench

__all__ = ["examples", "rule_bench"]
