"""``python -m lab chat MODEL [MODEL…]``: talk to up to three models in a terminal, each answer streamed; the same worker as the Play tab's."""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.commands.arguments import explained, open_store
from lab.commands.printing import FAILED, STOPPED, complain, number, print_json
from lab.core.chats import IDLE_SECONDS, ChatSpec, parse_ask
from lab.core.jobs import Kind, parse_job
from lab.errors import LabError, StateError
from lab.runs.chats import chat_in_foreground
from lab.store.chats import ChatFolder
from lab.store.jobs import JobFolder
from lab.store.lines import Line
from lab.store.rule_files import read_entries
from lab.words import say, system_locale, word

NAP = 0.02


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The models, and how they answer."""
    parser.add_argument("models", metavar="MODEL", nargs="+", help=explained("chat.models"))
    parser.add_argument("--system", metavar="TEXT", default="", help=explained("chat.system"))
    parser.add_argument("-k", metavar="K", type=int, default=1, help=explained("chat.k"))
    parser.add_argument("--temperature", metavar="T", type=float, default=0.7, help=explained("chat.temperature"))
    parser.add_argument("--max-tokens", metavar="N", type=int, default=256, help=explained("chat.max_tokens"))
    parser.add_argument("--seed", metavar="S", type=int, default=1, help=explained("chat.seed"))
    parser.add_argument("--own-seeds", action="store_true", help=explained("chat.own_seeds"))
    scorer = parser.add_mutually_exclusive_group()
    scorer.add_argument("--rules", metavar="RULES.toml", type=Path, help=explained("chat.rules"))
    scorer.add_argument("--reward-model", metavar="run:ID", default="", help=explained("chat.reward_model"))
    parser.add_argument("--answer", metavar="TEXT", help=explained("chat.answer"))
    parser.add_argument("--beside", action="store_true", help=explained("chat.beside"))
    parser.add_argument("--four-bits", action="store_true", help=explained("chat.four_bits"))


def run(arguments: argparse.Namespace) -> int:
    """0 the conversation ended, 1 failed, 130 where Ctrl-C came while nothing was being answered."""
    values = {"models": arguments.models, "beside": arguments.beside, "load_in_4bit": arguments.four_bits}
    spec = parse_job(Kind.CHAT, {**values, "idle_seconds": max(IDLE_SECONDS, 12 * 3600.0)})
    assert isinstance(spec, ChatSpec)
    rules = [entry.use().model_dump(mode="json") for entry in read_entries(arguments.rules)] if arguments.rules else []
    store = open_store(arguments)
    with chat_in_foreground(spec, store) as folder:
        conversation = _Conversation(folder, spec, arguments, rules)
        try:
            conversation.wait_until_ready()
            return conversation.talk()
        except LabError as error:
            complain(word(error, system_locale()))
            return FAILED
        except KeyboardInterrupt:
            return STOPPED


class _Conversation:
    """What was said so far, one list of messages a model."""

    def __init__(self, folder: JobFolder, spec: ChatSpec, options: argparse.Namespace, rules: list[Any]) -> None:
        self.folder, self.spec, self.options, self.rules = folder, spec, options, rules
        self.chat = ChatFolder(folder)
        self._cursor = 0
        self._read: deque[Line] = deque()
        self._asked = 0
        self._turns: list[list[dict[str, str]]] = []
        self.forget()

    def forget(self) -> None:
        """Begin anew, with the system message."""
        first = [{"role": "system", "content": self.options.system}] if self.options.system else []
        self._turns = [list(first) for _ in self.spec.models]

    def wait_until_ready(self) -> None:
        """Raises the error of a worker that ended before it was ready."""
        while "ready" not in (line := self._next()):
            pass
        if sys.stdin.isatty():
            ready = line["ready"]
            complain(say("chat.ready", system_locale(), **{**ready, "models": ", ".join(ready["models"])}))

    def talk(self) -> int:
        """Ask what is typed until there is no more."""
        question = ""
        for typed in _typed():
            if typed == "/quit":
                break
            if typed == "/new":
                self.forget()
                continue
            if typed == "/again":
                self._take_back()
                typed = question
            if not typed.strip():
                continue
            question = typed
            self._ask(question)
        return 0

    def _take_back(self) -> None:
        """The last question and its answers never were."""
        for turns in self._turns:
            while turns and turns[-1]["role"] != "user":
                turns.pop()
            if turns:
                turns.pop()
            if self.options.system and not turns:
                turns.append({"role": "system", "content": self.options.system})

    def _ask(self, question: str) -> None:
        self._asked += 1
        lanes = []
        for lane, turns in enumerate(self._turns):
            turns.append({"role": "user", "content": question})
            lanes.append({"lane": lane, "turns": turns})
        ask = parse_ask(
            {
                "id": f"q{self._asked}",
                "lanes": lanes,
                "samples": self.options.k,
                "temperature": self.options.temperature,
                "max_tokens": self.options.max_tokens,
                "seed": self.options.seed + self._asked - 1,
                "shared_seed": not self.options.own_seeds,
                "rules": self.rules,
                "reward_model": self.options.reward_model,
                "answer": self.options.answer,
            }
        )
        self.chat.ask(ask)
        answers = self._follow(ask.id)
        for lane, turns in enumerate(self._turns):
            first = answers.get((lane, 0))
            if first is None:
                turns.pop()  # it failed: the question can be asked again
            else:
                turns.append({"role": "assistant", "content": first["text"]})

    def _follow(self, ask_id: str) -> dict[tuple[int, int], Line]:
        """Print an answer as it comes: of one model token by token, of several each once it is whole."""
        live = len(self.spec.models) * self.options.k == 1 and not self.options.json
        answers: dict[tuple[int, int], Line] = {}
        scores: dict[tuple[int, int], Line] = {}
        errors: list[Line] = []
        while True:
            try:
                line = self._next()
            except KeyboardInterrupt:
                self.chat.stop(ask_id)
                continue
            if live and "deltas" in line:
                print("".join(text for _, text in line["deltas"]), end="", flush=True)
            if "done" in line:
                answers[line["lane"], line["sample"]] = line["done"]
            if "scores" in line:
                scores |= {(line["lane"], sample): each for sample, each in enumerate(line["scores"])}
            if error := line.get("error") or line.get("score_error"):
                errors.append({"model": self.spec.models[line["lane"]], **error})
            if line.get("ended"):
                break
        self._print(answers, scores, errors, live)
        return answers

    def _print(
        self,
        answers: dict[tuple[int, int], Line],
        scores: dict[tuple[int, int], Line],
        errors: list[Line],
        live: bool,
    ) -> None:
        if self.options.json:
            rows = [
                {"model": self.spec.models[lane], "sample": sample, **done, **scores.get((lane, sample), {})}
                for (lane, sample), done in answers.items()
            ]
            print_json({"answers": rows, "errors": errors})
        for (lane, sample), done in answers.items() if not self.options.json else ():
            mark = say("chat.cut", system_locale()) if done["truncated"] or done["stopped"] else ""
            reward = f"  {number(scores[lane, sample]['reward'])}" if (lane, sample) in scores else ""
            if live:
                print(f"{' ' + mark if mark else ''}{reward}")
                continue
            head = self.spec.models[lane] + (f" {sample + 1}" if self.options.k > 1 else "") + reward
            print(f"[{head}] {done['text']}{' ' + mark if mark else ''}")
        for error in errors:
            complain(f"{error['model']}: {word(LabError(error['key'], **error['params']), system_locale())}")

    def _next(self) -> Line:
        """The next line that the worker writes. Raises StateError where it has ended."""
        while not self._read:
            job = self.folder.job()  # before the lines: an ended job has written all of them
            page = self.chat.answers(self._cursor)
            self._cursor = page.cursor
            self._read.extend(page.lines)
            if not page.lines and job.state.ended:
                error = job.error or {"key": "chat_ended", "params": {"job": job.id}}
                raise StateError(error["key"], **error["params"])
            if not page.lines:
                time.sleep(NAP)
        return self._read.popleft()


def _typed() -> Iterator[str]:
    """What is typed, a line each; in a terminal with a prompt and, where Python has it, line editing."""
    if not sys.stdin.isatty():
        yield from (line.rstrip("\n") for line in sys.stdin)
        return
    with suppress(ImportError):
        import readline  # noqa: F401
    while True:
        try:
            yield input("> ")
        except EOFError:
            print()
            return
