"""The ready-made rules: one table by name. A new rule is one function and one line here.

Each function is pure: ``rule(prompt, completion, answer) -> float`` within the rule's bounds, or a ValueError where it
cannot be applied; ``lab.core.rules.score`` turns that into a recorded error. To *run* rules on what models wrote take them from
``lab.sandbox.ready.READY``: the same table with the rules that parse or compute moved into killable workers.
"""

from __future__ import annotations

from lab.core.rules import Rule
from lab.rules import equality, form, mathematics, syntax

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            *("equals_answer", mathematics.equals_answer),
            label_en="Equals the answer",
            label_zh="等于答案",
            about_en="1 when the final answer equals the known one; numbers are compared as numbers: 15/3, 5.0 and 5 are equal.",
            about_zh="最终答案与已知答案相等得 1；数字按数值比较：15/3、5.0 与 5 相等。",
            needs_answer=True,
        ),
        Rule(
            *("mathematically_equal", equality.mathematically_equal),
            label_en="Mathematical equality (math-verify)",
            label_zh="数学等价（math-verify）",
            about_en="1 when the final answer equals the known one as mathematics: \\frac{1}{2} and 0.5, {1, 2} and {2, 1}, (x+1)² written out. "
            "LaTeX is read between $…$ or in \\boxed{…}; 1 s a completion at most.",
            about_zh="最终答案与已知答案在数学上等价得 1：\\frac{1}{2} 与 0.5，{1, 2} 与 {2, 1}，展开的 (x+1)²。"
            "LaTeX 须写在 $…$ 或 \\boxed{…} 中；每条回答最多 1 秒。",
            needs_answer=True,
        ),
        Rule(
            *("integer_answer", mathematics.integer_answer),
            label_en="Integer answer",
            label_zh="整数答案",
            about_en="1 when the final answer is written as an integer, 0.5 as a number in another form (15/3, 2.5), 0 without one.",
            about_zh="最终答案写成整数得 1，写成其他形式的数（15/3、2.5）得 0.5，没有数字得 0。",
        ),
        Rule(
            *("consistent", mathematics.consistent),
            label_en="Logically consistent",
            label_zh="逻辑一致",
            about_en="1 when every equation in the completion that can be checked holds, also against the prompt's equation.",
            about_zh="回答中每个可检验的等式都成立（包括与题目方程相符）得 1，否则得 0。",
        ),
        Rule(
            *("format_tags", form.format_tags),
            label_en="Format: tags",
            label_zh="格式：标签",
            about_en="1 when the completion is <think>…</think><answer>…</answer>, each once and not empty.",
            about_zh="回答为 <think>…</think><answer>…</answer>，各出现一次且不为空，得 1。",
        ),
        Rule(
            *("length_range", form.length_range),
            label_en="Length range",
            label_zh="长度范围",
            about_en=f"1 when the completion has {form.SHORTEST} to {form.LONGEST} characters.",
            about_zh=f"回答长度在 {form.SHORTEST} 到 {form.LONGEST} 个字符之间得 1。",
        ),
        Rule(
            *("no_repetition", form.no_repetition),
            label_en="No repetition",
            label_zh="不重复",
            about_en=f"The share of distinct runs of {form.NGRAM} words (in Chinese, characters); 1 means that nothing is said twice.",
            about_zh=f"不同的连续 {form.NGRAM} 个词（中文为字）所占的比例；1 表示没有重复。",
        ),
        Rule(
            *("language", form.language),
            label_en="Language of the prompt",
            label_zh="与题目同语言",
            about_en="The share of the completion that is written in the prompt's script (Chinese or Latin); formulas do not count.",
            about_zh="回答中与题目使用同一种文字（中文或拉丁字母）的比例；公式不计。",
        ),
        Rule(
            *("python_parses", syntax.python_parses),
            label_en="Python parses",
            label_zh="Python 语法正确",
            about_en="1 when the code is Python without a syntax error, 0 otherwise. The code is never run.",
            about_zh="代码没有 Python 语法错误得 1，否则得 0。代码不会被运行。",
        ),
        Rule(
            *("python_static_check", syntax.python_static_check),
            label_en="Python passes a static check",
            label_zh="Python 静态检查通过",
            about_en="1 when pyflakes finds nothing: no undefined name, no unused import or variable. The code is never run.",
            about_zh="pyflakes 没有发现问题（未定义的名字、未使用的导入或变量）得 1。代码不会被运行。",
        ),
    )
}
"""The ready-made rules by name, in the order in which they are offered."""
