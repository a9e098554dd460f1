"""A run's log in the reader's language (``live_curves/log_words.js``)."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from lab.training.worker.reporter import _journal
from tests.ui.scripts import load_scripts

pytestmark = pytest.mark.browser
LOG = "\n".join(
    [
        "[10:00:01] measuring before",
        "held out: pass_at_1 0.450, reward 1.200",
        _journal(3, 50, {"reward": 0.51234, "loss": -0.2, "kept_share": 0.5, "optimizer_step": 0}),
        _journal(4, 50, {"groups_thrown_away": 2, "groups_drawn": 6}),
        "failed: out of memory",
        "Traceback (most recent call last):",
        "    step 3 of somebody else",
    ]
)


def test_a_chinese_page_words_the_labs_own_lines_and_no_others(judging_browser: Browser) -> None:
    page = judging_browser.new_page()
    load_scripts(page, "live_curves", "log_words.js", lang="zh")
    assert page.evaluate("logInWords", LOG).split("\n") == [
        "[10:00:01] 训练前测评",
        "测评：留出集 pass@1 0.450，奖励 1.200",
        "第 3/50 步  奖励 0.5123  保留比例 0.5  损失 -0.2  没有保留任何回答：不做优化步",
        "第 4/50 步    采样了 6 组，其中 2 组无差异，已丢弃",
        "失败：out of memory",
        "Traceback (most recent call last):",
        "    step 3 of somebody else",
    ]
    page.close()


def test_an_english_page_shows_it_as_it_is(judging_browser: Browser) -> None:
    page = judging_browser.new_page()
    load_scripts(page, "live_curves", "log_words.js")
    assert page.evaluate("logInWords", LOG) == LOG
    page.close()
