"""What a refusal says: the true reason, the line to type, the place that reads the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.data.columns import guess_columns
from lab.data.datasets import rows_of_file
from lab.data.forms import shape_completions, shape_prompts
from lab.data.left_out import WhyLeftOut
from lab.data.pair_rows import find_pairs
from lab.data.preference_forms import shape_preferences
from lab.errors import DatasetError
from lab.words import word

SHAPES = {"sft": shape_completions, "dpo": shape_preferences, "grpo": shape_prompts, "annotate": find_pairs}


def refused(path: Path, use: str) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        SHAPES[use](rows_of_file(str(path)))
    return caught.value


def written(folder: Path, *rows: dict[str, Any], name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "use", "mapping"),
    [
        ({"user_query": "a", "best": "b", "worst": "c"}, "dpo", "prompt=user_query,chosen=best,rejected=worst"),
        ({"问题": "a", "优选": "b", "落选": "c"}, "dpo", "prompt=问题,chosen=优选,rejected=落选"),
        ({"ask": "a", "reply": "b"}, "sft", "prompt=ask,completion=reply"),
        ({"prompt": "a", "answer": "b"}, "sft", "completion=answer"),
        ({"task text": "a"}, "grpo", "prompt=task text"),
        ({"Question": "a", "Answer": "5"}, "grpo", "prompt=Question,answer=Answer"),
        ({"Prompt": "a", "Response": "b", "System": "c"}, "sft", "prompt=Prompt,completion=Response,system=System"),
        ({"ask": "a", "left": "b", "right": "c"}, "annotate", "prompt=ask,first=left,second=right"),
        ({"id": "1", "data": ["Hi.", "Hello."]}, "sft", "messages=data"),
        (
            {"id": "1", "log": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
            "sft",
            "messages=log",
        ),
    ],
)
def test_the_likeliest_mapping_is_proposed_and_works_as_it_stands(
    tmp_path: Path, row: dict[str, str], use: str, mapping: str
) -> None:
    path = written(tmp_path, row)
    error = refused(path, use)
    assert error.params["line"] == f"{path}?{mapping}"
    assert str(error.params["line"]) in word(error, "en") and str(error.params["line"]) in word(error, "zh")
    found = SHAPES[use](rows_of_file(str(error.params["line"])))
    assert found.left_out == []


def test_what_cannot_be_guessed_is_asked_for(tmp_path: Path) -> None:
    error = refused(written(tmp_path, {"x": "a", "y": "b"}), "sft")
    assert error.key == "dataset_columns" and error.params["proposal"] == {}
    assert str(error.params["line"]).endswith("?prompt=COLUMN,completion=COLUMN") and error.params["found"] == "x, y"


@pytest.mark.parametrize(
    ("row", "use", "key"),
    [
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "sft", "dataset_holds_preferences"),
        ({"prompt": "a", "completion": "b"}, "dpo", "dataset_holds_demonstrations"),
        ({"prompt": "a", "completion": "b"}, "annotate", "dataset_holds_demonstrations"),
        ({"prompt": "a", "first": "b", "second": "c"}, "dpo", "dataset_holds_pairs"),
        ({"prompt": "a", "first": "b", "second": "c"}, "sft", "dataset_holds_pairs"),
        ({"question": "a", "answer": "b"}, "dpo", "dataset_holds_prompts"),
        ({"prompt": "a", "response_a": "b", "response_b": "c", "winner": "a"}, "sft", "dataset_holds_votes"),
        ({"prompt": "a", "responses": ["b", "c"], "scores": [1, 2]}, "sft", "dataset_holds_ranked"),
    ],
)
def test_a_file_for_another_use_is_sent_there(tmp_path: Path, row: dict[str, Any], use: str, key: str) -> None:
    error = refused(written(tmp_path, row), use)
    assert error.key == key
    assert str(tmp_path) in word(error, "en") and "{" not in word(error, "zh")


def test_the_true_reason_is_told_of_a_file_that_is_full_of_text(tmp_path: Path) -> None:
    chats = [[{"role": "user", "content": "q"}, {"role": "assistant", "content": text}] for text in ("a", "b")]
    early = {"chosen": [*chats[0], *chats[0]], "rejected": [*chats[1], *chats[1]]}
    error = refused(written(tmp_path, early, early, {"chosen": chats[0], "rejected": ""}), "dpo")
    assert word(error, "en").endswith(
        "2 × the two conversations differ before their last answer; 1 × “rejected” is empty."
    )
    assert "2 × 两段对话" in word(error.as_dict(), "zh"), "as it is stored, too"


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("rules.toml", "[[rules]]\nname = 'x'\n", "dataset_kind_toml"),
        ("rules.json", '{"rules": [{"name": "equals_answer", "weight": 1}]}', "dataset_kind_toml"),
        ("recipe.json", '{"algorithm": "sft", "steps": 3}', "dataset_kind_toml"),
        ("lab.tar", "x", "dataset_kind_backup"),
        ("lab.tar.gz", "x", "dataset_kind_backup"),
        ("rows.xlsx", "x", "dataset_kind_sheet"),
        ("rows.zip", "x", "dataset_kind_archive"),
        ("model.gguf", "x", "dataset_kind_model"),
        ("rows.docx", "x", "dataset_kind"),
        ("rows", "x", "dataset_kind"),
    ],
)
def test_kinds_of_file_that_hold_no_rows(tmp_path: Path, name: str, content: str, key: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    error = refused(path, "sft")
    assert error.key == key and "{" not in word(error, "en") + word(error, "zh")


def test_an_answer_to_another_question_is_no_side_of_the_pair(tmp_path: Path) -> None:
    def chat(question: str, answer: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]

    right = {"prompt": "q", "chosen": chat("q ", "a"), "rejected": chat("q", "b")}
    shaped = shape_preferences(
        rows_of_file(
            str(
                written(
                    tmp_path,
                    right,
                    right | {"rejected": chat("other", "b")},
                    right | {"chosen": chat("other", "a")},
                    right | {"rejected": "b"},
                )
            )
        )
    )
    assert [(row.line, str(row.why), row.detail) for row in shaped.left_out] == [
        (2, "other_prompt", "rejected"),
        (3, "other_prompt", "chosen"),
    ]
    assert len(shaped.rows) == 2


def test_one_column_serves_one_name() -> None:
    assert guess_columns(["answer"], ["completion", "answer"]) == {}
    assert guess_columns(["question", "query"], ["prompt"]) == {"prompt": "question"}
    assert guess_columns(["Best Reply", "Worst-Reply"], ["chosen", "rejected"]) == {
        "chosen": "Best Reply",
        "rejected": "Worst-Reply",
    }


@pytest.mark.parametrize(
    ("row", "use", "column"),
    [
        ({"question": "a", "choices": ["x", "y"], "answerKey": ""}, "sft", "answerKey"),
        ({"question": "", "chosen": "b", "rejected": "c"}, "dpo", "question"),
        ({"instruction": "", "output": "b"}, "sft", "instruction"),
        ({"prompt": "a", "response": ""}, "sft", "response"),
        ({"conversations": []}, "sft", "conversations"),
    ],
)
def test_what_is_empty_is_called_as_the_file_calls_it(
    tmp_path: Path, row: dict[str, Any], use: str, column: str
) -> None:
    error = refused(written(tmp_path, row), use)
    assert (error.key, error.params["columns"]) == ("dataset_all_empty", column)


def test_a_side_of_a_vote_is_never_proposed_as_what_to_learn(tmp_path: Path) -> None:
    row = {"prompt": "a", "response_0": "b", "response_1": "c", "better_response_id": 1}
    error = refused(written(tmp_path, row), "sft")
    assert error.key == "dataset_holds_votes" and "completion=" not in word(error)


def test_pairs_whose_vote_is_not_known_are_refused_with_the_line_that_names_it(tmp_path: Path) -> None:
    path = written(tmp_path, {"prompt": "a", "response_a": "b", "response_b": "c", "our_pick": "b"})
    error = refused(path, "dpo")
    assert (error.key, error.params["line"]) == ("dataset_holds_pairs", f"{path}?winner=COLUMN")
    (shaped,) = shape_preferences(rows_of_file(f"{path}?winner=our_pick")).rows
    assert shaped["chosen"] == "c"


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "a", "response-1": "b", "response-2": "c", "better.responses": ["response-1"]},
        {"question": "a", "response_j": "b", "response_k": "c"},
        {"prompt": {"role": "prompter", "text": "a", "replies": [{"role": "assistant", "text": "b"}]}},
    ],
)
def test_prompts_beside_what_may_be_responses_are_not_said_to_have_none(tmp_path: Path, row: dict[str, Any]) -> None:
    error = refused(written(tmp_path, row), "dpo")
    assert error.key == "dataset_columns" and str(error.params["line"]).endswith("rejected=COLUMN")


def test_a_tree_of_replies_is_no_prompt(tmp_path: Path) -> None:
    """Open Assistant's trees: the first message alone was trained on, and its replies were dropped in silence."""
    tree = {"prompt": {"role": "prompter", "text": "a", "replies": [{"role": "assistant", "text": "b", "replies": []}]}}
    found = shape_prompts(rows_of_file(str(written(tmp_path, tree, {"prompt": "plain"}))))
    assert [(row.why, row.detail) for row in found.left_out] == [(WhyLeftOut.TREE, "prompt")]
    lone = {"prompt": {"role": "prompter", "text": "a", "replies": []}}
    assert shape_prompts(rows_of_file(str(written(tmp_path, lone)))).left_out == []


@pytest.mark.parametrize("column", ["image_path", "image_url", "audio_file"])
def test_where_a_picture_or_a_sound_lies_counts_as_one(tmp_path: Path, column: str) -> None:
    rows = [{"prompt": "a", "chosen": "b", "rejected": "c", column: there} for there in ("x.bin", "")]
    found = shape_preferences(rows_of_file(str(written(tmp_path, *rows))))
    assert [(row.why, row.detail) for row in found.left_out] == [(WhyLeftOut.IMAGES, column)] and len(found.rows) == 1


@pytest.mark.parametrize("use", ["dpo", "annotate"])
def test_one_conversation_a_row_is_not_proposed_where_two_answers_are_needed(tmp_path: Path, use: str) -> None:
    error = refused(written(tmp_path, {"id": "1", "data": ["Hi.", "Hello."]}), use)
    assert "messages=" not in str(error.params["line"])
