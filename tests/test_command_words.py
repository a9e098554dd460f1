"""The command line in both languages: help, tables, what a terminal cannot show, and JSON, which is never translated."""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import __main__ as cli
from lab.commands.parsing import broken
from lab.commands.printing import width
from lab.store.runs import Store
from lab.words import system_locale, table
from tests.runs.conftest import recipe
from tests.test_cli import worked_group

ROOT = Path(__file__).resolve().parents[1]
CHINESE = re.compile("[\u4e00-\u9fff]")
COMMANDS = sorted((ROOT / "lab/commands").glob("*.py"))


def helps(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, str]]:
    """(what it is of, the text) of everything that ``--help`` says of a parser and of those within it."""
    yield from ((f"{name}: {of}", text) for of, text in (("about", parser.description), ("end", parser.epilog)) if text)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from ((f"{name} {choice.dest}", str(choice.help)) for choice in action._choices_actions)
            for inner, sub in action.choices.items():
                yield from helps(sub, f"{name} {inner}")
        elif action.help:
            yield f"{name} {action.dest}", action.help


@pytest.mark.parametrize("locale", ["zh_CN.UTF-8", "C.UTF-8"])
def test_every_help_is_in_the_language_of_the_terminal(locale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    top = cli.parser()
    texts = list(helps(top, "lab"))
    assert len(texts) > 150
    assert [of for of, text in texts if bool(CHINESE.search(text)) is (locale == "C.UTF-8")] == []
    (commands,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    assert all(sub.description and sub.epilog for sub in commands.choices.values()), "each command has examples"


def test_every_word_of_help_and_tables_is_there_in_chinese() -> None:
    begins = ("help.", "table.", "progress.", "doctor.", "tour.")
    words = {key: text for key, text in table("zh").items() if key.startswith(begins)}
    assert len(words) > 300
    signs = {"tour.comma", "help.common.description"}
    assert [key for key, text in words.items() if not CHINESE.search(text) and key not in signs] == []
    assert [key for key in words if CHINESE.search(table("en")[key])] == []


def test_no_command_words_its_help_or_its_tables_itself() -> None:
    """Whatever is given to ``help=`` or as the head of a table comes from the words tables."""
    own = []
    for path in COMMANDS:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            texts = [keyword.value for keyword in node.keywords if keyword.arg in ("help", "description", "epilog")]
            if isinstance(node.func, ast.Name) and node.func.id == "print_table":
                head = node.args[0]
                texts += head.elts if isinstance(head, (ast.List, ast.Tuple)) else []
            own += [
                f"{path.name}:{text.lineno}: {ast.unparse(text)}"
                for text in texts
                if isinstance(text, ast.JoinedStr)
                or (isinstance(text, ast.Constant) and re.search("[A-Za-z]", str(text.value)))
            ]
    assert own == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    store = Store(tmp_path / "home")
    run = store.create_run(recipe())
    store.folder(run.id).append("groups", worked_group(1))
    return store.home


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    cli.main(arguments)
    return capsys.readouterr().out


def test_tables_follow_the_terminal_and_json_does_not(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Store(home).runs()[0].id
    tables = {("models",): "参数量", ("study",): "研究", ("runs",): "算法", ("groups", run): "不高于均值"}
    for command, word in tables.items():
        said = {}
        for locale in ("C.UTF-8", "zh_CN.UTF-8"):
            monkeypatch.setenv("LC_ALL", locale)
            said[locale] = printed(capsys, *command, "--home", str(home), "--json")
            shown = printed(capsys, *command, "--home", str(home))
            assert (word in shown) is (locale == "zh_CN.UTF-8"), shown
        assert json.loads(said["C.UTF-8"]) == json.loads(said["zh_CN.UTF-8"])


def in_ascii(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    """A command in a Chinese terminal whose encoding is ASCII: its status, output and errors."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    streams = [io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True) for _ in range(2)]
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", streams[0])
        patched.setattr(sys, "stderr", streams[1])
        try:
            status = cli.main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
    out, err = (stream.buffer.getvalue().decode("ascii") for stream in streams)  # type: ignore[attr-defined]
    return status, out, err


def test_a_terminal_that_cannot_show_it_gets_ascii(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """English in place of Chinese, signs in ASCII, other letters escaped; JSON holds the same values as anywhere."""
    run = Store(home).runs()[0].id
    status, text, _ = in_ascii(monkeypatch, "groups", run, "--home", str(home))
    assert status == 0
    assert "below mean" in text and "-1.764" in text and "\\u89e3" in text
    places = {line.index(word) for word in ("15/3", "\\u65e0") for line in text.splitlines() if word in line}
    assert places == {text.splitlines()[4].index("completion"), text.splitlines()[4].index("completion") + 4}, (
        "columns hold"
    )
    _, escaped, _ = in_ascii(monkeypatch, "groups", run, "--home", str(home), "--json")
    assert json.loads(escaped) == json.loads(printed(capsys, "groups", run, "--home", str(home), "--json"))
    _, helped, _ = in_ascii(monkeypatch, "groups", "--help")
    assert "log pi" in helped and "usage:" in helped
    status, _, refused = in_ascii(monkeypatch, "groups", "没有", "--home", str(home))
    assert status == 1 and "\\u6ca1" in refused


def test_what_argparse_itself_says_is_chinese_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    for wrong, sentence in ((["trian"], "没有 'trian' 这个选择"), (["train"], "缺少参数：PRESET")):
        with pytest.raises(SystemExit) as ended:
            cli.main(wrong)
        said = capsys.readouterr().err
        assert ended.value.code == 2 and said.startswith("用法：") and sentence in said


def test_the_language_needs_an_encoding_that_has_it() -> None:
    chinese = {"LANG": "zh_CN.UTF-8"}
    assert system_locale(chinese, "utf-8") == system_locale(chinese, "gbk") == "zh"
    assert system_locale(chinese, "ascii") == system_locale(chinese, "latin-1") == "en"


@pytest.mark.parametrize("columns", [20, 33, 60])
def test_lines_of_help_end_at_the_edge(columns: int) -> None:
    text = table("zh")["help.eject.examples"].splitlines()[-1]
    lines = broken(text, columns)
    assert all(width(line) <= columns + 2 for line in lines) and len(lines) > 2
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert not [line for line in lines if line[0] in "，。）；、"]
