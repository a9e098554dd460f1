"""Roles on one base equal separate models exactly, in fp32 and in NF4: what they compute, their gradients, a reference that stays."""

import copy

import pytest
import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from lab.core.recipes import Critic, PpoRecipe
from lab.training.models.base import four_bit_config, keep_trainable, lora_config
from lab.training.models.roles import POLICY, REWARD, VALUE, Roles, acting_as

RECIPE = PpoRecipe(lora_rank=4, lora_alpha=8)


@pytest.fixture
def batch(tokenizer):
    torch.manual_seed(0)
    ids = torch.randint(4, 280, (4, 14))
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    return ids, mask


@pytest.fixture(params=["fp32", "nf4"])
def make_base(request, make_model, tmp_path):
    """The same base at each call, of the kind that is asked for."""
    folder = tmp_path / "base"
    make_model(hidden_size=64).save_pretrained(folder)
    packed = {"quantization_config": four_bit_config(torch.float32, torch.device("cpu")), "device_map": {"": "cpu"}}

    def make(kind=AutoModelForCausalLM, **more):
        model = kind.from_pretrained(folder, **(packed if request.param == "nf4" else {}), **more)
        keep_trainable(model)
        return model

    return make


def adapted(base, seed):
    """A peft model with random, not zero, adapter weights."""
    model = get_peft_model(base, lora_config(RECIPE))
    randomise(model, POLICY, seed)
    return model


def randomise(model, adapter, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if f".{adapter}." in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)


def reward_run(make_base, folder):
    """A reward model of its own: adapter and head, saved as a run saves them."""
    scorer = get_peft_model(make_base(AutoModelForSequenceClassification, num_labels=1), lora_config(RECIPE, "SEQ_CLS"))
    randomise(scorer, POLICY, 3)
    scorer.config.pad_token_id = 0
    scorer.save_pretrained(folder)
    return scorer.eval()


def test_a_pass_of_a_role_keeps_no_keys_and_values(make_base, batch):
    """Whatever the model's own settings say: nobody reads them, and a CPU reads rows flat without them alone."""
    model = adapted(make_base(), 1)
    body = model.get_base_model().model
    model.config.use_cache = body.config.use_cache = True
    outputs = []
    body.register_forward_hook(lambda _module, _given, output: outputs.append(output))
    roles = Roles(model)
    roles.add_value()
    for adapter in (None, POLICY, VALUE):
        roles.hidden(adapter, *batch)
    assert [output.past_key_values for output in outputs] == [None] * 3


def test_roles_on_one_base_equal_separate_models_exactly(make_base, batch, tmp_path):
    ids, mask = batch
    model = adapted(make_base(), 1)
    roles = Roles(model)
    roles.add_value()
    randomise(model, VALUE, 2)
    scorer = reward_run(make_base, tmp_path / "reward")
    roles.add_reward(tmp_path / "reward")
    alone = {None: make_base().model, POLICY: adapted(make_base(), 1).get_base_model().model}
    alone[VALUE] = adapted(make_base(), 2).get_base_model().model
    alone[REWARD] = scorer.get_base_model().model
    with torch.no_grad():
        states = {adapter: roles.hidden(adapter, ids, mask) for adapter in alone}
        for adapter, separate in alone.items():
            theirs = separate(input_ids=ids, attention_mask=mask).last_hidden_state
            assert (states[adapter] - theirs).abs().max() == 0.0, adapter
        told = scorer(input_ids=ids, attention_mask=mask).logits.squeeze(-1)
        assert (roles.scores(ids, mask) - told).abs().max() == 0.0
    assert told.std() > 1e-3, "equal scores would prove nothing"
    each = list(states.values())
    assert all((one - other).abs().max() > 1e-3 for i, one in enumerate(each) for other in each[:i])


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_of_the_trained_roles_equal_those_of_separate_models(make_base, batch, checkpointing):
    ids, mask = batch
    model = adapted(make_base(), 1)
    roles = Roles(model)
    roles.add_value()
    randomise(model, VALUE, 2)
    others = {POLICY: adapted(make_base(), 1), VALUE: adapted(make_base(), 2)}
    for each in (model, *others.values()):
        each.train()
        if checkpointing:
            each.enable_input_require_grads()
            each.gradient_checkpointing_enable({"use_reentrant": False})
    for adapter, other in others.items():
        with acting_as(model, adapter):  # a checkpointed backward computes the forward again: the role must still act
            roles.hidden(adapter, ids, mask).pow(2).mean().backward()
        other.get_base_model().model(input_ids=ids, attention_mask=mask).last_hidden_state.pow(2).mean().backward()
        theirs = {name: p.grad for name, p in other.named_parameters() if p.grad is not None}
        assert theirs
        ours = dict(model.named_parameters())
        for name, gradient in theirs.items():
            assert torch.equal(ours[name.replace(".default.", f".{adapter}.")].grad, gradient), name
    assert all(
        p.grad is None for name, p in model.named_parameters() if "lora_" not in name and "value_head" not in name
    )


def test_acting_as_never_touches_what_trains(make_model):
    model = adapted(make_model(), 1)
    roles = Roles(model)
    roles.add_value()
    before = {name: p.requires_grad for name, p in model.named_parameters()}
    with acting_as(model, VALUE), acting_as(model, None):
        pass
    assert {name: p.requires_grad for name, p in model.named_parameters()} == before
    trained = {name for name, on in before.items() if on}
    assert any(".value." in name for name in trained)
    assert any(".default." in name for name in trained)
    assert all("lora_" in name or name.startswith("value_head") for name in trained)


def test_the_reference_does_not_drift(make_base, batch):
    ids, mask = batch
    model = adapted(make_base(), 1)
    roles = Roles(model)
    roles.add_value()
    with torch.no_grad():
        before = copy.deepcopy(roles.hidden(None, ids, mask))
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(100):
        (roles.hidden(POLICY, ids, mask).mean() + roles.values(ids, mask, 5).mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        assert (roles.hidden(None, ids, mask) - before).abs().max() == 0.0
        assert (roles.hidden(POLICY, ids, mask) - before).abs().max() > 1e-3


@pytest.mark.parametrize("critic", Critic)
def test_values_belong_to_the_state_before_each_token(make_model, batch, critic):
    """Changing the last token moves no value; changing an earlier one moves the values after it."""
    ids, mask = batch
    model = adapted(make_model(), 1)
    roles = Roles(model, critic=critic)
    roles.add_value()
    torch.nn.init.normal_(model.value_head.weight)
    with torch.no_grad():
        values = roles.values(ids, mask, 6)
        changed = ids.clone()
        changed[:, -1] = (changed[:, -1] + 1) % 280
        assert torch.equal(roles.values(changed, mask, 6), values)
        changed[:, -3] = (changed[:, -3] + 1) % 280
        moved = roles.values(changed, mask, 6) != values
    assert not moved[:, :4].any()
    assert moved[:, 4:].all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_heads_read_the_states_of_a_narrow_base(make_model, batch, tmp_path, dtype):
    """As on CUDA: base in bf16 or fp16, adapters and heads in fp32."""
    ids, mask = batch
    folder = tmp_path / "base"
    make_model().save_pretrained(folder)

    def make_base(kind=AutoModelForCausalLM, **more):
        return kind.from_pretrained(folder, dtype=dtype, **more)

    reward_run(make_base, tmp_path / "reward")
    model = get_peft_model(make_base(), lora_config(RECIPE))
    roles = Roles(model)
    roles.add_value()
    roles.add_reward(tmp_path / "reward")
    torch.nn.init.normal_(model.value_head.weight)
    values = roles.values(ids, mask, 5)
    values.sum().backward()
    assert values.dtype is torch.float32 and bool(values.isfinite().all())
    assert all(p.grad is not None and p.grad.dtype is torch.float32 for p in roles.critic_parameters())
    with torch.no_grad():
        assert roles.scores(ids, mask).dtype is torch.float32


def test_a_reward_adapter_of_a_policy_is_refused(make_model, tmp_path):
    from lab.errors import ModelError

    folder = tmp_path / "policy"
    adapted(make_model(), 1).save_pretrained(folder)
    with pytest.raises(ModelError) as refused:
        Roles(adapted(make_model(), 1)).add_reward(folder)
    assert refused.value.key == "ppo_not_a_reward_model"
