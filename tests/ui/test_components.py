"""The components' files, without a browser: the words are whole, nothing can turn data into markup, the parts fit gr.HTML."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lab.core.algorithms import ALGORITHMS
from lab.ui.components.annotator.component import annotator
from lab.ui.components.group_inspector.component import group_inspector
from lab.ui.components.live_curves.component import live_curves
from lab.ui.components.run_list.component import run_list
from lab.ui.components.shared.assemble import read_words

COMPONENTS = Path(__file__).parents[2] / "lab" / "ui" / "components"
FOLDERS = [
    COMPONENTS / name for name in ("annotator", "classroom", "group_inspector", "live_curves", "run_list", "rule_bench")
]
SCRIPTS = sorted(COMPONENTS.glob("*/*.js"))
STYLES = sorted(COMPONENTS.glob("*/*.css"))
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}
HOLE = re.compile(r"\{(\w+)\}")


def name_of(path: Path) -> str:
    return "/".join(path.parts[-2:])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_both_languages_have_the_same_words_with_the_same_holes(folder: Path) -> None:
    words = read_words(folder)
    assert set(words) == {"en", "zh"}
    assert list(words["en"]) == list(words["zh"])
    for key, sentence in words["en"].items():
        assert set(HOLE.findall(sentence)) == set(HOLE.findall(words["zh"][key])), key


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_word_that_a_script_says_is_there(folder: Path) -> None:
    words = read_words(folder)["en"]
    source = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.js"))
    asked = set(re.findall(r'\bword\("(\w+)"\s*[,)]', source))
    beginnings = set(re.findall(r'\bword\("(\w+_)" \+', source))
    assert asked, "the test reads nothing"
    assert asked <= set(words)
    assert all(any(key.startswith(beginning) for key in words) for beginning in beginnings)


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_scripts_never_parse_markup_and_reach_no_other_host(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.startswith("//"), "a script opens with what it is for"
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(", "srcdoc"):
        assert word not in source
    assert set(re.findall(r"https?://[\w./]+", source)) <= NAMESPACES
    assert source.count("\n") <= 400
    assert [line for line in source.split("\n") if len(line) > 120] == []


@pytest.mark.parametrize("path", STYLES, ids=name_of)
def test_styles_survive_gradios_template(path: Path) -> None:
    style = path.read_text(encoding="utf-8")
    assert style.startswith("/*")
    for trap in ("`", "\\", "${", "{{", "@keyframes", "@import", "url("):
        assert trap not in style
    assert style.count("{") == style.count("}")


@pytest.mark.parametrize(
    ("make", "testid"),
    [
        (annotator, "annotator"),
        (group_inspector, "group-inspector"),
        (live_curves, "live-curves"),
        (run_list, "run-list"),
    ],
)
def test_a_component_is_one_constant_element_and_its_script(make: object, testid: str) -> None:
    component = make('{"run": "r1"}', lang="zh")  # type: ignore[operator]
    assert component.html_template == f'<div class="lab" data-testid="{testid}"></div>'
    assert component.value == '{"run": "r1"}'
    assert set(json.loads(component.props["words"])) == {"en", "zh"}
    assert component.props["lang"] == "zh"


def test_what_an_algorithm_has_comes_as_data() -> None:
    charts = json.loads(live_curves("{}").props["charts"])
    assert charts.keys() == ALGORITHMS.keys()
    assert charts["ppo"][:2] == ["reward", "pass_at_1"] and charts["sft"][0] == "loss"
    assert json.loads(group_inspector("{}").props["writes_groups"]) == ["ppo", "grpo"]
    assert json.loads(group_inspector("{}").props["writes_pairs"]) == ["dpo"]


@pytest.mark.parametrize("path", [path for path in SCRIPTS if path.parent.name != "learn"], ids=name_of)
def test_no_script_names_an_algorithm(path: Path) -> None:
    """Its charts, and whether it writes groups, are data of ``lab/core/algorithms.py``. The lessons are about the algorithms."""
    strings = set(re.findall(r"""["'`]([a-z_]+)["'`]""", path.read_text(encoding="utf-8")))
    assert not strings & ALGORITHMS.keys()


def test_the_run_list_tells_what_was_selected() -> None:
    assert 'trigger("select", { run })' in run_list().js_on_load
