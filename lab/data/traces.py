"""Episodes of prime-rl and verifiers 1 (``traces.jsonl``): a trace is a graph of messages, of which the lab shows the path to its last leaf.

The schema is ``verifiers.v1``'s ``Episode`` and ``Trace``: nodes with a parent and a message, ``sampled`` where the model wrote it; rewards by name,
each a score and a weight. Not here: the other tools' rows (``rollouts.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.core.recorded import Rollout
from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.messages import message_parts, messages_text, prompt_parts
from lab.data.turns import number_of

READ = ("id", "env", "task", "group", "run", "ok", "errors", "traces", "nodes", "rewards", "metrics", "agent")


def of_episode(episode: Mapping[str, Any], line: int) -> Iterator[Rollout]:
    """A rollout for each trace that trains the policy. Raises NotUsable where the episode has none."""
    traces = episode.get("traces")
    if not isinstance(traces, list):
        raise NotUsable(WhyLeftOut.MISSING, "traces")
    trained = [
        trace for trace in traces if isinstance(trace, Mapping) and _mapping(trace, "agent").get("trainable", True)
    ]
    if not trained:
        raise NotUsable(WhyLeftOut.EMPTY, "traces")
    for trace in trained:
        yield of_trace(trace, line, episode)


def of_trace(trace: Mapping[str, Any], line: int, episode: Mapping[str, Any] | None = None) -> Rollout:
    """One trace as a rollout; the episode tells group and step. Raises NotUsable where it lacks nodes or rewards."""
    episode = episode or {}
    asked, written = _path(trace)
    task = _mapping(trace, "task") or _mapping(episode, "task")
    data = _mapping(task, "data")
    prompt, turns = message_parts(asked, "nodes") if asked else prompt_parts(data, "prompt")
    rewards = trace.get("rewards")
    if not isinstance(rewards, Mapping):
        raise NotUsable(WhyLeftOut.MISSING, "rewards")
    parts = {str(name): _reward(value, str(name)) for name, value in rewards.items()}
    known = [part for part in parts.values() if part is not None]
    answer = data.get("answer")
    return Rollout(
        line=line,
        step=_run_step(episode),
        group=_group(episode, task),
        prompt=prompt,
        turns=turns,
        text=messages_text(written, "nodes"),
        answer=None if answer in (None, "") else str(answer),
        scores={name: None if part is None else part[0] for name, part in parts.items()},
        weights={name: part[1] for name, part in parts.items() if part is not None},
        reward=sum(score * weight for score, weight in known) if known else None,
        advantage=_advantage(trace),
        truncated=str(trace.get("stop_condition") or "") in ("max_tokens", "length", "max_total_tokens"),
        read=READ,
    )


def _path(trace: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """The messages from the root to the last leaf: what was given before the model first wrote, and all from there on."""
    nodes = trace.get("nodes")
    if not isinstance(nodes, list) or not nodes:
        raise NotUsable(WhyLeftOut.MISSING, "nodes")
    place: int | None = len(nodes) - 1
    path: list[Mapping[str, Any]] = []
    while place is not None:
        node = nodes[place] if 0 <= place < len(nodes) else None
        if not isinstance(node, Mapping) or len(path) > len(nodes):
            raise NotUsable(WhyLeftOut.NOT_TEXT, "nodes")
        path.append(node)
        parent = node.get("parent")
        place = int(parent) if isinstance(parent, int) else None
    path.reverse()
    first = next((number for number, node in enumerate(path) if node.get("sampled")), None)
    if first is None:
        raise NotUsable(WhyLeftOut.NO_ANSWER)
    messages = [node.get("message") for node in path]
    return messages[:first], messages[first:]


def _reward(value: Any, name: str) -> tuple[float, float] | None:
    """``(score, weight)``; None where scoring did not run. Raises NotUsable."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        score, weight = number_of(value.get("score")), number_of(value.get("weight", 1.0))
    else:
        score, weight = number_of(value), 1.0
    if score is None or weight is None:
        raise NotUsable(WhyLeftOut.NOT_A_NUMBER, f"rewards.{name}")
    return score, weight


def _advantage(trace: Mapping[str, Any]) -> float | None:
    """The advantage of the sampled tokens where it is one for all of them; token by token it is not the group's."""
    values = {
        value
        for node in trace.get("nodes") or ()
        if isinstance(node, Mapping) and isinstance(node.get("advantages"), Sequence)
        for value in node["advantages"]
    }
    return number_of(values.pop()) if len(values) == 1 else None


def _group(episode: Mapping[str, Any], task: Mapping[str, Any]) -> str | None:
    group = _mapping(episode, "group").get("id")
    named = group if group is not None else task.get("key") or task.get("hash")
    return None if named is None else str(named)


def _run_step(episode: Mapping[str, Any]) -> int | None:
    step = number_of(_mapping(_mapping(episode, "run"), "work").get("step"))
    return None if step is None else int(step)


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, Mapping) else {}
