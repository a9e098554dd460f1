"""The tokens that a run's memory is estimated for: those that are read, where padding is left out and beginnings are shared."""

from lab.core.recipes import DpoRecipe, GrpoRecipe, SftRecipe
from lab.data.datasets import Dataset
from lab.store.models import resolve
from lab.training.measure.lengths import lengths_of
from lab.training.models.base import load_tokens


def test_pairs_read_their_prompt_once(tmp_path):
    tokens = load_tokens(resolve("tiny", tmp_path))
    rows = [{"prompt": f"{number} " + "2 + 2 = ? " * 10, "chosen": "4", "rejected": "5"} for number in range(4)]
    lengths = lengths_of(DpoRecipe(batch_size=4, micro_batch_size=4, max_length=512), Dataset(rows, [], ""), tokens)
    whole = len(tokens.encode(rows[0]["prompt"], "4").ids)
    assert lengths.rows == 8
    assert lengths.read < 0.6 * lengths.rows * lengths.whole and lengths.read >= 4 * (whole - 10)


def test_the_largest_micro_batch_counts(tmp_path):
    tokens = load_tokens(resolve("tiny", tmp_path))
    rows = [{"prompt": f"{number} + {number} = ?", "completion": "4" * (4 + 60 * (number == 7))} for number in range(8)]
    lengths = lengths_of(SftRecipe(batch_size=1, micro_batch_size=1, max_length=512), Dataset(rows, [], ""), tokens)
    longest = len(tokens.encode(rows[7]["prompt"], rows[7]["completion"]).ids)
    assert longest <= lengths.read <= longest * 17 / 16


def test_a_group_reads_its_prompt_once(tmp_path):
    tokens = load_tokens(resolve("tiny", tmp_path))
    rows = [{"prompt": "2 + 2 = ?", "answer": "4"}] * 4
    recipe = GrpoRecipe(batch_size=16, micro_batch_size=8, group_size=4, max_completion_length=10)
    lengths = lengths_of(recipe, Dataset(rows, [], ""), tokens)
    assert lengths.read == 4 * lengths.prompt + 8 * 10
