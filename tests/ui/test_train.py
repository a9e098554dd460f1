"""The Train form's choosers: presets model by model, runs to start from, what is not here, rows as the model sees them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from lab.core.access import Access
from lab.core.recipes import parse
from lab.runs.preview import Previews
from lab.store.presets import PRESETS
from lab.store.runs import RunState, Store
from lab.ui.presets import Presets, model_about, model_label, model_of
from lab.ui.tabs.train.choices import StartChoices
from lab.ui.tabs.train.fetch import FetchRow
from lab.ui.tabs.train.presets import PresetChooser
from lab.ui.tabs.train.preview import PreviewPane, shown


@pytest.fixture(scope="module")
def presets() -> Presets:
    return Presets(PRESETS)


@pytest.fixture
def store(lab_home: Path) -> Store:
    return Store(lab_home, allow_unsafe_disk=True)


def browser(language: str = "en-US") -> Any:
    return SimpleNamespace(headers={"accept-language": language}, query_params={})


def finished(store: Store, algorithm: str, name: str, result: dict[str, Any]) -> str:
    run = store.create_run(parse({"algorithm": algorithm, "name": name}), dataset_hash="sha256:0")
    store.folder(run.id).write("result.json", result)
    store.change(run.id, state=RunState.FINISHED)
    return run.id


class TestPresets:
    def test_tiny_is_first_and_every_preset_stands_under_its_model_once(self, presets: Presets) -> None:
        assert presets.models == ["tiny", "smollm2-135m", "qwen2.5-0.5b", "qwen2.5-1.5b"]
        under = [name for model in presets.models for name in presets.of_model(model)]
        assert sorted(under) == sorted(presets.names)

    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_titles_of_one_model_differ_and_each_model_says_what_it_takes(
        self, presets: Presets, language: str
    ) -> None:
        for model in presets.models:
            titles = [label for label, _ in presets.choices(model, language)]
            assert len(set(titles)) == len(titles) and not any(model in label for label in titles)
            assert model_about(model, language) and model_label(model, language)
        assert len({model_label(model, language) for model in presets.models}) == len(presets.models)

    def test_another_model_keeps_what_was_to_be_done(self, presets: Presets) -> None:
        assert presets.alike("tiny/dpo", "qwen2.5-1.5b") == "qwen2.5-1.5b/dpo"
        assert presets.alike("tiny/grpo-hacked", "smollm2-135m") == "smollm2-135m/grpo"
        assert model_of(presets.alike("tiny/pretrain", "smollm2-135m")) == "smollm2-135m"

    def test_the_chooser_shows_one_model_and_still_takes_every_preset(self, presets: Presets) -> None:
        with gr.Blocks(analytics_enabled=False):
            chooser = PresetChooser(presets, gr.I18n(en={}, zh={}))
        model, preset = chooser.shown("smollm2-135m/rm", "en")
        assert model["value"] == "smollm2-135m" and preset["value"] == "smollm2-135m/rm"
        assert {model_of(name) for _, name in preset["choices"]} == {"smollm2-135m"}
        assert all(chooser.preset.preprocess(name) == name for name in presets.names)


class TestStarts:
    def test_runs_are_offered_where_their_model_fits(self, store: Store, presets: Presets) -> None:
        sft = finished(store, "sft", "my SFT", {"after": {"pass_at_1": 0.5}})
        rm = finished(store, "rm", "my judge", {"after": {"pair_accuracy": 0.875}})
        starts = StartChoices(store, presets)
        models = {value: label for label, value in starts.models()}
        assert "tiny" in models and f"run:{rm}" not in models
        assert models[f"run:{sft}"].startswith("my SFT · pass@1 50.0%")
        rewards = starts.reward_models("en")
        assert rewards[0][1] == "" and rewards[1] == (f"my judge · 87.5% · {rm}", f"run:{rm}")
        assert len(rewards) == 2

    def test_data_fit_the_algorithm(self, store: Store, presets: Presets) -> None:
        run = finished(store, "grpo", "groups here", {})
        values = {
            algorithm: [value for _, value in StartChoices(store, presets).data(algorithm, "en")]
            for algorithm in ("dpo", "grpo")
        }
        assert values["dpo"][0] == values["grpo"][0] == "equations"
        assert f"groups:{run}" in values["dpo"] and f"groups:{run}" not in values["grpo"]
        assert any("ultrafeedback" in value for value in values["dpo"])


class TestFetch:
    def drawn(self, store: Store, **values: Any) -> FetchRow:
        with gr.Blocks(analytics_enabled=False):
            return FetchRow(store, lambda _: parse({"algorithm": "sft", **values}), gr.I18n(en={}, zh={}))

    @pytest.mark.parametrize(("language", "said"), [("en-US", "Not on this machine yet"), ("zh-CN", "本机还没有")])
    def test_what_is_not_here_is_one_sentence_and_start_waits(self, store: Store, language: str, said: str) -> None:
        row = self.drawn(store, model="smollm2-135m", dataset="hub:org/name@train")
        visible, text, get, cancel, timer, lacking, start = row.looked(browser(language), {})
        assert visible["visible"] and get["visible"] and not cancel["visible"] and not timer.active
        assert said in text and "smollm2-135m" in text and "hub:org/name@train" in text and text.count("<p") == 1
        assert lacking == 2 and start["interactive"] is False

    def test_where_all_is_here_nothing_stands_there(self, store: Store) -> None:
        visible, text, *_, start = self.drawn(store).looked(browser(), {})
        assert visible["visible"] is False and text == "" and start["interactive"] is True

    def test_a_name_is_never_markup(self, store: Store) -> None:
        (store.home / "x.gguf").write_bytes(b"GGUF")
        file = store.home / "<img src=x>.gguf"
        file.write_bytes(b"GGUF")
        text = self.drawn(store, model=str(file)).looked(browser(), {})[1]
        assert "<img" not in text and "&lt;img" in text


FOUND = {
    "template": "plain",
    "count": 7,
    "rows": [
        {
            "completion": {
                "parts": [["<b>q</b>", "row", False], ["\n", "template", False], ["a", "row", True]],
                "tokens": 9,
                "cut": 4,
            }
        }
    ],
    "left_out": [["empty", "completion", 2]],
}


class TestPreview:
    @pytest.mark.parametrize(
        ("language", "words"),
        [
            ("en", ("plain", "7 rows", "4 more cut off", "2 ×", "underlined")),
            ("zh", ("plain", "7 行", "另有 4 个", "2 行", "下划线")),
        ],
    )
    def test_rows_are_text_and_what_counts_is_said_in_words(self, language: str, words: tuple[str, ...]) -> None:
        page = shown(FOUND, "sft", language)
        assert "<b>" not in page and "&lt;b&gt;q" in page
        assert '<span class="row counted">a</span>' in page and '<span class="template">\n</span>' in page
        assert all(word in page for word in words)

    def test_a_prompt_alone_says_that_the_model_writes_the_rest(self) -> None:
        row = {"prompt": {"parts": [["q", "row", False]], "tokens": 1, "cut": 0}}
        page = shown({**FOUND, "rows": [row], "left_out": []}, "grpo", "en")
        assert "writes what follows" in page and "counted" not in page

    def test_only_the_owner_has_files_read(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        from lab.ui.tabs.train import preview as train_preview

        with gr.Blocks(analytics_enabled=False):
            pane = PreviewPane(Previews(store.home), lambda _: parse({"algorithm": "sft"}), gr.I18n(en={}, zh={}))
        monkeypatch.setattr(train_preview, "user_of", lambda _: SimpleNamespace(access=Access.ANNOTATOR))
        assert pane.looked(browser(), {}, True)[0] == gr.skip()
        assert pane.unfolded.access is Access.OWNER
