"""The Train form's choosers: presets model by model, runs to start from, what is not here, rows as the model sees them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from lab.annotation.collections import Annotation
from lab.core.access import Access
from lab.core.algorithms import ALGORITHMS
from lab.core.preferences import Derivation
from lab.core.recipes import parse
from lab.runs.changes import Topic
from lab.runs.preview import Previews
from lab.runs.supervisor import Supervisor
from lab.store.presets import PRESETS
from lab.store.runs import RunState, Store
from lab.ui.draft import Wait
from lab.ui.presets import PresetChooser, Presets, model_about, model_label, model_of
from lab.ui.tabs.train.choices import StartChoices
from lab.ui.tabs.train.fetch import FetchRow
from lab.ui.tabs.train.preview import PreviewPane, shown
from tests.annotation.annotating import ANNA, judge_all, sums


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
        model, preset = chooser.shown("smollm2-135m/rm", "en").values()
        assert model["value"] == "smollm2-135m" and preset["value"] == "smollm2-135m/rm"
        assert {model_of(name) for _, name in preset["choices"]} == {"smollm2-135m"}
        assert all(chooser.preset.preprocess(name) == name for name in presets.names)


class TestStarts:
    def test_runs_are_offered_where_their_model_fits(self, store: Store, presets: Presets) -> None:
        sft = finished(store, "sft", "my SFT", {"after": {"pass_at_1": 0.5, "samples": 40}})
        rm = finished(store, "rm", "my judge", {"after": {"pair_accuracy": 0.875, "pairs": 64}})
        starts = StartChoices(store, presets)
        models = {value: label for label, value in starts.models("en")}
        assert "tiny" in models and f"run:{rm}" not in models
        assert models[f"run:{sft}"].startswith("my SFT · pass@1 50.0 % (35.2–64.8, n 40)")
        rewards = starts.reward_models("en", "tiny")
        assert rewards[0][1] == "" and rewards[1] == ("my judge · 87.5 % (77.2–93.5, n 64)", f"run:{rm}")
        assert len(rewards) == 2

    def test_a_reward_model_on_another_base_is_not_offered(self, store: Store, presets: Presets) -> None:
        started = {"model": "smollm2-135m", "training": "lora"}
        policy = store.create_run(parse({"algorithm": "sft", **started}), dataset_hash="sha256:0").id
        whole = store.create_run(
            parse({"algorithm": "sft", "model": "tiny", "training": "full"}), dataset_hash="sha256:0"
        ).id
        on = {}
        for base in ("tiny", "smollm2-135m", f"run:{whole}"):
            run = store.create_run(parse({"algorithm": "rm", "model": base}), dataset_hash="sha256:0")
            store.change(run.id, state=RunState.FINISHED)
            on[base] = f"run:{run.id}"
        starts = StartChoices(store, presets)
        for model, base in (("tiny", "tiny"), (f"run:{policy}", "smollm2-135m"), (f"run:{whole}", f"run:{whole}")):
            assert [value for _, value in starts.reward_models("en", model)] == ["", on[base]], model

    def test_two_versions_of_one_name_are_told_apart(self, store: Store, presets: Presets) -> None:
        annotation = Annotation(store)
        collection = sums(annotation, 3)
        judge_all(annotation, ANNA, collection)
        annotation.freeze(collection, name="mine")
        annotation.freeze(collection, Derivation(least_votes=1, use_edits=False), name="mine")
        for language in ("en", "zh"):
            labels = [
                label for label, value in StartChoices(store, presets).data("dpo", language) if "version:" in value
            ]
            assert len(labels) == len(set(labels)) and all("mine" in label for label in labels)

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
    def row(self, store: Store) -> FetchRow:
        with gr.Blocks(analytics_enabled=False):
            return FetchRow(store, Supervisor(store), gr.I18n(en={}, zh={}))

    def shown(self, row: FetchRow, language: str = "en-US", **values: Any) -> tuple[dict[Any, Any], Wait, bool]:
        marks = dict.fromkeys(Topic, "1")
        return row.shown(browser(language), parse({"algorithm": "sft", **values}), marks)

    @pytest.mark.parametrize(("language", "said"), [("en-US", "Not on this machine yet"), ("zh-CN", "本机还没有")])
    def test_what_is_not_here_is_one_sentence_and_start_waits(self, store: Store, language: str, said: str) -> None:
        row = self.row(store)
        updates, waits, missing = self.shown(row, language, model="smollm2-135m", dataset="hub:org/name@train")
        assert updates[row.row]["visible"] and updates[row.get]["visible"] and not updates[row.cancel]["visible"]
        text = updates[row.said]
        assert said in text and "smollm2-135m" in text and "hub:org/name@train" in text and text.count("<p") == 1
        assert missing and waits == Wait(), "nothing is fetched: there is nothing to wait for"

    def test_where_all_is_here_nothing_stands_there(self, store: Store) -> None:
        row = self.row(store)
        updates, waits, missing = self.shown(row)
        assert updates[row.row]["visible"] is False and updates[row.said] == "" and (waits, missing) == (Wait(), False)

    def test_a_name_is_never_markup(self, store: Store) -> None:
        (store.home / "x.gguf").write_bytes(b"GGUF")
        file = store.home / "<img src=x>.gguf"
        file.write_bytes(b"GGUF")
        row = self.row(store)
        text = self.shown(row, model=str(file))[0][row.said]
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
    "notes": [{"key": "left_out", "params": {"count": 2, "why": "empty", "detail": "<i>completion"}}],
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
        page = shown(FOUND, ALGORITHMS["sft"], language)
        assert "<b>" not in page and "&lt;b&gt;q" in page
        assert '<span class="row counted">a</span>' in page and '<span class="template">\n</span>' in page
        assert all(word in page for word in words)

    def test_a_prompt_alone_says_that_the_model_writes_the_rest(self) -> None:
        row = {"prompt": {"parts": [["q", "row", False]], "tokens": 1, "cut": 0}}
        page = shown({**FOUND, "rows": [row], "notes": []}, ALGORITHMS["grpo"], "en")
        assert "writes what follows" in page and "counted" not in page

    def test_only_the_owner_has_files_read(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        from lab.ui.tabs.train import preview as train_preview

        with gr.Blocks(analytics_enabled=False):
            pane = PreviewPane(Previews(store.home), gr.I18n(en={}, zh={}))
        asked: list[Any] = []
        monkeypatch.setattr(pane._previews, "look", lambda recipe: asked.append(recipe))
        recipe, marks = parse({"algorithm": "sft"}), dict.fromkeys(Topic, "1")
        for access in (Access.VIEWER, Access.ANNOTATOR, Access.OWNER):
            monkeypatch.setattr(train_preview, "user_of", lambda _, access=access: SimpleNamespace(access=access))
            rows, waits = pane.looked(browser(), recipe, marks)
            assert (rows == gr.skip(), waits == Wait(), asked == []) == (access < Access.OWNER,) * 3
        assert waits == Wait({Topic.ANSWERS: "1"}), "it asks again once the rows are read"
