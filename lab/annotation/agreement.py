"""Krippendorff's α over judgements, with the library of that name, which is loaded only when α is asked for.

It lives here because the core imports no such library; everything else about agreement is ``lab/core/agreement.py``. Nominal:
first, second, tie and both_bad are four categories without an order.
"""

from __future__ import annotations

import numpy as np

from lab.core.agreement import Measure, Votes, WhyUndefined, choice_matrix


def krippendorffs_alpha(votes: Votes) -> Measure:
    """α of any number of annotators, each of whom may have judged any of the pairs."""
    choices = choice_matrix(votes)
    count = choices.shape[1]
    if count == 0:
        return Measure(None, 0, WhyUndefined.NO_OVERLAP)
    if np.unique(choices[~np.isnan(choices)]).size < 2:
        return Measure(None, count, WhyUndefined.ONE_CATEGORY)
    import krippendorff

    return Measure(float(krippendorff.alpha(reliability_data=choices, level_of_measurement="nominal")), count)
