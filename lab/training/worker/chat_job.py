"""The worker of a chat: loads its models once, then answers what it is asked until nobody has asked anything for a while.

All lanes of a question are answered together, a token each in turn, so that they stream side by side. The worker ends by itself: when it
was idle for ``idle_seconds``, or when it is asked to give way to a run that waits (a stop file that is not "now"), after the present answer.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.core.chats import Ask, ChatSpec, LaneAsk
from lab.data.turns import last_words
from lab.errors import LabError
from lab.sandbox.rewards import reward_batch, weighed
from lab.store.chats import ChatFolder
from lab.training.worker.job_reporter import JobReporter
from lab.training.worker.lanes import Lane, Lanes
from lab.training.worker.reporter import peak_memory_bytes
from lab.training.worker.streaming import lane_prompt, stream

NAP = 0.02
"""Seconds between two looks for a question."""
SHOWN_EVERY = 0.04
"""Seconds between two lines of a stream: tokens that come faster go out together."""
READY, ANSWERING, SCORING = "ready", "answering", "scoring"


def chat(spec: ChatSpec, home: Path, reporter: JobReporter) -> dict[str, Any]:
    """Load, answer, end; ``{"ended_by": "idle" | "gave_way"}`` for result.json."""
    started = time.monotonic()
    lanes = Lanes(spec, home)
    chat_folder = ChatFolder(reporter.folder)
    about = {"device": lanes.device, "models": list(spec.models), "bases": len(lanes.trunks), "weights": lanes.weights}
    chat_folder.tell({"ready": {**about, "memory": peak_memory_bytes(), "seconds": time.monotonic() - started}})
    reporter.enter_stage(READY)
    return {"ended_by": _Answering(lanes, chat_folder, reporter).until_idle(spec.idle_seconds), **about}


class _Answering:
    """What is asked and still waits, and the answer that goes on."""

    def __init__(self, lanes: Lanes, chat_folder: ChatFolder, reporter: JobReporter) -> None:
        self.lanes, self.chat, self.reporter = lanes, chat_folder, reporter
        self._cursor = 0
        self._waiting: deque[Ask] = deque()
        self._stopped: set[str] = set()

    def until_idle(self, patience: float) -> str:
        """Answer until there was nothing to answer for ``patience`` seconds, or somebody else needs the machine: which of the two."""
        since = time.monotonic()
        while True:
            self._look()
            if self._waiting:
                self._answer(self._waiting.popleft())
                since = time.monotonic()
            elif self.reporter.folder.stop_requested():
                return "gave_way"
            elif time.monotonic() - since > patience:
                return "idle"
            else:
                time.sleep(NAP)

    def _look(self) -> None:
        lines, self._cursor = self.chat.asked(self._cursor)
        for line in lines:
            if "stop" in line:
                self._stopped.add(str(line["stop"]))
            else:
                self._waiting.append(Ask.model_validate(line["ask"]))

    def _answer(self, ask: Ask) -> None:
        self.reporter.enter_stage(ANSWERING)
        answers = [_Answer(self.lanes.lanes[asked.lane], asked, ask, self.chat) for asked in ask.lanes]
        writing = deque(answers)
        while writing and not self._is_stopped(ask):
            answer = writing.popleft()
            if answer.go_on():
                writing.append(answer)
        for answer in answers:
            answer.end(stopped=answer in writing)
            self.reporter.done += len(answer.texts)
            self.reporter.tokens += sum(map(len, answer.ids))
        self._score(ask, answers)
        self.chat.tell({"turn": ask.id, "ended": True, "stopped": ask.id in self._stopped})
        self.reporter.enter_stage(READY)

    def _is_stopped(self, ask: Ask) -> bool:
        """Looked at before each token of each lane, so that a stop waits for one pass of one model at most."""
        self._look()
        return ask.id in self._stopped

    def _score(self, ask: Ask, answers: list[_Answer]) -> None:
        """A line of scores for each lane; a lane that failed has none. A scorer that fails is told once for each lane."""
        if not (ask.rules or ask.reward_model) or ask.id in self._stopped:
            return
        self.reporter.enter_stage(SCORING)
        for answer in answers:
            if answer.failed:
                continue
            line: dict[str, Any] = {"turn": ask.id, "lane": answer.asked.lane}
            try:
                self.chat.tell({**line, "scores": self._scores(ask, answer)})
            except LabError as error:
                self.chat.tell({**line, "score_error": error.as_dict()})

    def _scores(self, ask: Ask, answer: _Answer) -> list[dict[str, Any]]:
        prompt = lane_prompt(answer.asked)
        if ask.reward_model:
            values = self.lanes.scores(ask.reward_model, [(prompt, text) for text in answer.texts])
            return [{"reward": value, "scores": {}} for value in values]
        rows = [(last_words(prompt), text, ask.answer) for text in answer.texts]
        rewards = reward_batch(weighed(ask.rules), rows)
        return [
            {"reward": reward.value, "scores": {name: score.as_json() for name, score in reward.scores.items()}}
            for reward in rewards
        ]


class _Answer:
    """One lane's answer to a question, as it comes to be."""

    def __init__(self, lane: Lane, asked: LaneAsk, ask: Ask, chat_folder: ChatFolder) -> None:
        self.lane, self.asked, self.ask, self.chat = lane, asked, ask, chat_folder
        self.ids: list[list[int]] = [[] for _ in range(ask.samples)]
        self.texts = [""] * ask.samples
        self.failed = False
        self._steps: Iterator[list[list[int]]] = stream(lane, asked, ask)
        self._started = time.monotonic()
        self._first: float | None = None
        self._shown = -math.inf

    def go_on(self) -> bool:
        """One more token of each completion; False once there is none. What fails is told, and ends this lane alone."""
        try:
            step = next(self._steps, None)
        except LabError as error:
            self.failed = True
            self.chat.tell({"turn": self.ask.id, "lane": self.asked.lane, "error": error.as_dict()})
            return False
        if step is None:
            return False
        self.ids = step
        now = time.monotonic()
        self._first = self._first if self._first is not None else now - self._started
        if now - self._shown >= SHOWN_EVERY:
            self._shown = now
            self._show()
        return True

    def end(self, *, stopped: bool) -> None:
        """Tell the whole text of each completion, and how it ended. What was stopped before its first token has nothing to tell."""
        self._steps.close()  # type: ignore[attr-defined]
        if self.failed:
            return
        seconds = time.monotonic() - self._started
        for number, ids in enumerate(self.ids):
            self.texts[number] = self.lane.tokens.text(ids)
            done = {
                "text": self.texts[number],
                "tokens": len(ids),
                "truncated": not stopped and not self.lane.tokens.has_ended(ids),
                "stopped": stopped and not self.lane.tokens.has_ended(ids),
                "seconds": seconds,
                "first_seconds": self._first,
            }
            self.chat.tell({"turn": self.ask.id, "lane": self.asked.lane, "sample": number, "done": done})

    def _show(self) -> None:
        """Tell what has come since the last time. A character of several tokens waits for the last of them."""
        deltas = []
        for number, ids in enumerate(self.ids):
            text = self.lane.tokens.text(ids).rstrip("\ufffd")
            if len(text) > len(self.texts[number]) and text.startswith(self.texts[number]):
                deltas.append([number, text[len(self.texts[number]) :]])
                self.texts[number] = text
        if deltas:
            self.chat.tell({"turn": self.ask.id, "lane": self.asked.lane, "deltas": deltas})
