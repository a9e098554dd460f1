"""What follows from the stored numbers is what GAE was made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.token_credit import token_credits

NUMBERS = st.floats(-3, 3)


@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20),
    st.sampled_from([1.0, 0.9]),
    st.sampled_from([0.0, 0.5, 0.95, 1.0]),
    st.floats(-2, 2),
    st.floats(0.1, 3),
)
def test_rewards_and_errors_are_those_that_the_advantages_were_made_of(tokens, discount, lam, mean, std):
    values, rewards = [v for v, _ in tokens], [r for _, r in tokens]
    after = [*values[1:], 0.0]
    deltas = [r + discount * n - v for r, n, v in zip(rewards, after, values, strict=True)]
    estimates = [
        sum((discount * lam) ** (u - t) * deltas[u] for u in range(t, len(deltas))) for t in range(len(deltas))
    ]
    older = {"values": values, "token_advantages": [(estimate - mean) / std for estimate in estimates]}
    newer = {**older, "token_rewards": rewards}
    for line, whitening in ((older, {"mean": mean, "std": std}), (newer, None), (newer, {"mean": 9.0, "std": 9.0})):
        credits = token_credits(line, whitening, discount, lam)
        assert [credit.estimate for credit in credits] == pytest.approx(estimates, abs=1e-9)
        assert [credit.delta for credit in credits] == pytest.approx(deltas, abs=1e-9)
        assert [credit.reward for credit in credits] == pytest.approx(rewards, abs=1e-9)
        assert [credit.advantage for credit in credits] == older["token_advantages"], "as it trained"


def test_an_older_line_has_values_and_advantages_and_no_more():
    credits = token_credits({"values": [0.5, 1.0], "token_advantages": [-1.0, 2.0]}, None, 1.0, 0.95)
    assert [(credit.piece, credit.value, credit.advantage, credit.reward) for credit in credits] == [
        (None, 0.5, -1.0, None),
        (None, 1.0, 2.0, None),
    ]
    assert token_credits({"text": "x = 5"}, None, 1.0, 0.95) == []
