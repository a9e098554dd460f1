"""A share says what it rests on."""

import pytest

from lab.words.shares import measured_share, share_text


@pytest.mark.parametrize(("language", "few"), [("en", "too few"), ("zh", "太少")])
def test_a_hundred_percent_of_one_pair_says_that_it_rests_on_one(language, few):
    told = share_text(1.0, 1, language)
    assert "20.7" in told and few in told and "1" in told


def test_a_share_of_many_has_its_interval_and_count():
    assert share_text(0.897, 1024, "en") == "89.7 % (87.7–91.4, n 1,024)"


def test_an_unrecorded_count_is_said():
    assert measured_share({"pass_at_1": 0.5}, "pass_at_1", "en") == "50.0 % (of how many was not recorded)"


def test_pairs_count_for_pair_accuracy_and_samples_for_pass_at_1():
    after = {"pass_at_1": 0.5, "samples": 200, "pair_accuracy": 1.0, "pairs": 12}
    assert "n 200" in measured_share(after, "pass_at_1", "en") and "n 12: too few" in measured_share(
        after, "pair_accuracy", "en"
    )
    assert measured_share({"reward": 2.0}, "pass_at_1", "en") is None
