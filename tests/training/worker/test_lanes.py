"""Models of one base hold one copy of its weights, and each writes what it would write alone."""

from __future__ import annotations

from collections import deque

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from lab.core.chats import Ask, ChatSpec, LaneAsk
from lab.errors import InputError
from lab.store.models import SHIPPED
from lab.training.worker.lanes import Lanes
from lab.training.worker.streaming import stream

TURNS = ({"role": "user", "content": "Solve 3x + 5 = 20"},)


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two adapters on the tiny base that change what it writes."""
    folders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        base = AutoModelForCausalLM.from_pretrained(SHIPPED["tiny"])
        model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
        folder = tmp_path_factory.mktemp(f"adapter{seed}")
        model.save_pretrained(folder)
        folders.append(str(folder))
    return folders


@pytest.fixture(scope="module")
def lanes(adapters: list[str], tmp_path_factory: pytest.TempPathFactory) -> Lanes:
    return Lanes(ChatSpec(models=("tiny", *adapters)), tmp_path_factory.mktemp("home"))


def ask(**values: object) -> Ask:
    return Ask.model_validate(
        {"id": "q1", "lanes": [{"lane": 0, "turns": TURNS}], "temperature": 0, "max_tokens": 12, **values}
    )


def written(lanes: Lanes, lane: int, question: Ask) -> list[list[int]]:
    steps = stream(lanes.lanes[lane], LaneAsk.model_validate({"lane": lane, "turns": TURNS}), question)
    (last,) = deque(steps, maxlen=1)
    return [list(row) for row in last]


def test_three_models_of_one_base_hold_one_copy_of_its_weights(lanes: Lanes, adapters: list[str]) -> None:
    base = AutoModelForCausalLM.from_pretrained(SHIPPED["tiny"])
    one = sum(parameter.numel() * parameter.element_size() for parameter in base.parameters())
    alone = PeftModel.from_pretrained(base, adapters[0])
    adapter = sum(value.numel() * value.element_size() for name, value in alone.named_parameters() if "lora_" in name)
    assert len(lanes.trunks) == 1
    assert lanes.weights == one + 2 * adapter


def test_each_writes_what_it_writes_alone(lanes: Lanes, adapters: list[str]) -> None:
    texts = []
    for lane, adapter in enumerate([None, *adapters]):
        model = AutoModelForCausalLM.from_pretrained(SHIPPED["tiny"])
        if adapter is not None:
            model = PeftModel.from_pretrained(model, adapter)
        tokens = lanes.lanes[lane].tokens
        ids = torch.tensor([tokens.asked(TURNS[0]["content"])])
        output = model.eval().generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, eos_token_id=list(tokens.ends), pad_token_id=tokens.pad
        )  # fmt: skip
        alone = tokens.until_end(output[0, ids.shape[1] :].tolist())
        assert written(lanes, lane, ask(samples=3)) == [alone] * 3
        texts.append(alone)
    assert len({tuple(text) for text in texts}) == 3, "the adapters change nothing: this test could not fail"


def test_lanes_that_take_turns_do_not_disturb_each_other(lanes: Lanes) -> None:
    question = ask(temperature=1.0, samples=2, seed=5)
    alone = [written(lanes, lane, question) for lane in range(3)]
    streams = [
        stream(lanes.lanes[lane], LaneAsk.model_validate({"lane": lane, "turns": TURNS}), question) for lane in range(3)
    ]
    together: list[list[list[int]]] = [[], [], []]
    while any(streams):
        for lane, steps in enumerate(streams):
            step = next(steps, None) if steps else None
            if step is None:
                streams[lane] = None  # type: ignore[call-overload]
            else:
                together[lane] = [list(row) for row in step]
    assert together == alone


def test_seeds_are_shared_or_own(lanes: Lanes) -> None:
    hot = {"temperature": 1.5, "samples": 4, "seed": 3}
    assert (
        written(lanes, 0, ask(**hot)) == written(lanes, 0, ask(**hot)) != written(lanes, 0, ask(**{**hot, "seed": 4}))
    )
    shared, own = ask(**hot), ask(**hot, shared_seed=False)
    assert shared.seed_of(0) == shared.seed_of(1) and len({own.seed_of(lane) for lane in range(3)}) == 3


def test_a_conversation_longer_than_the_model_reads_is_refused(lanes: Lanes) -> None:
    long = [{"role": "user", "content": "x " * 4000}]
    with pytest.raises(InputError) as refused:
        next(stream(lanes.lanes[0], LaneAsk.model_validate({"lane": 0, "turns": long}), ask()))
    assert refused.value.key == "chat_too_long"
