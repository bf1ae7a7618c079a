"""How many readings are still wrong if the review ends now, with an interval, and how many to go.

Calibrated confidence says of each reading how probably it is wrong. It was calibrated on other
images, so on these it may be off. The model: the log-odds of an error are those that the confidence
tells, plus a shift that is not known. The shift has a part common to all readings and one of each
stratum of confidence, both normal around 0; what people decided so far tells what they are
(Bayes' rule on a grid). How many are wrong that nobody looked at is then drawn many times from the
posterior predictive distribution, and the interval is the central 95 % of it. Shifting the log-odds
is Platt's recalibration with a slope of 1 (J. Platt, "Probabilistic outputs for support vector
machines", 1999); strata that borrow from each other are those of A. Gelman et al., "Bayesian Data
Analysis" (3rd ed., 2013), chapter 5.

The doubtful readings are looked at first. That does not bias the estimate, since it is made for
given confidence; yet of the sure ones it tells little. Hence the random checks among them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST = 1e-4
"""No confidence is taken to be surer of a reading: calibration was measured on some thousands."""
COMMON_SPREAD, STRATUM_SPREAD = 0.8, 1.0
"""Standard deviations of the shift's parts in log-odds: before anything is decided, the odds of an
error are believed within a factor of 12, up or down, of what the confidence tells (95 %)."""
STRATA = (0.1, 0.01, 0.001)
"""Where one stratum ends and the next begins: probabilities of an error."""
BINS = np.arange(-9.5, 9.75, 0.25)
"""Edges of the log-odds of an error between which readings are counted together."""
SHIFTS = np.arange(-8.0, 8.05, 0.1)
COMMON = np.arange(-4.0, 4.1, 0.2)
DRAWS = 1000
CENTRAL = (0.025, 0.975)


@dataclass(frozen=True)
class Remaining:
    """What is still wrong among `n` readings: a share 0–1 with its 95 % interval, and a plan.

    `needed` is how many more of the accepted readings, the least sure first, would have to be
    looked at until the interval's upper end is at most the target; `unseen` is how many there are.
    """

    n: int
    unseen: int
    error: float
    low: float
    high: float
    needed: int


def remaining(
    unseen: Floats, seen: Floats, wrong: NDArray[np.bool_], n: int, target: float, seed: int = 0
) -> Remaining:
    """Estimate the errors among the accepted readings that nobody looked at.

    `unseen` and `seen` are confidences 0–1 of those without and with a decision, `wrong` which of
    the latter were misread. `n` readings are in the corrected results, those of `unseen` among
    them: the share is of these. `target` 0–1 is the share that is wanted.
    """
    if len(unseen) == 0:
        return Remaining(n, 0, 0.0, 0.0, 0.0, 0)
    open_bins, right_bins, wrong_bins = (
        counted(part) for part in (unseen, seen[~wrong], seen[wrong])
    )
    middle = (BINS[:-1] + BINS[1:]) / 2
    strata = np.digitize(-middle, [-log_odds(edge) for edge in STRATA])
    rng = np.random.default_rng(seed)
    shifts = drawn_shifts(middle, strata, right_bins, wrong_bins, rng)
    chances = logistic(middle + shifts[:, strata])
    wrong_left = rng.binomial(open_bins.astype(np.int64), chances)
    totals = wrong_left.sum(axis=1)
    low, high = np.quantile(totals, CENTRAL)
    mean = totals.mean()  # of few, and rare errors, it may lie above 95 % of what may be
    # The least sure first: what is left once all above a bin's lower edge were looked at.
    below = np.quantile(np.cumsum(wrong_left, axis=1), CENTRAL[1], axis=0)
    return Remaining(
        n,
        len(unseen),
        float(mean) / n,
        float(low) / n,
        float(max(high, mean)) / n,
        needed(open_bins, below, target * n),
    )


def counted(confidence: Floats) -> Floats:
    """Return how many readings fall in each bin."""
    return np.histogram(log_odds(np.clip(1 - confidence, LEAST, 1 - LEAST)), BINS)[0].astype(float)


def drawn_shifts(
    middle: Floats,
    strata: NDArray[np.intp],
    right: Floats,
    wrong: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Return (DRAWS, strata) shifts drawn from what is believed of them after the decisions."""
    logs = middle[:, None] + SHIFTS
    # log of the chance to be wrong, and to be right, of each bin at each shift
    likelihood = -(wrong[:, None] * np.logaddexp(0, -logs) + right[:, None] * np.logaddexp(0, logs))
    prior = np.exp(-0.5 * ((SHIFTS - COMMON[:, None]) / STRATUM_SPREAD) ** 2)
    common = -0.5 * (COMMON / COMMON_SPREAD) ** 2
    posteriors = []
    for stratum in range(len(STRATA) + 1):
        own = likelihood[strata == stratum].sum(axis=0)
        weights = prior * np.exp(own - own.max())
        common = common + np.log(np.maximum(weights.sum(axis=1), 1e-300))
        posteriors.append(np.cumsum(weights, axis=1))
    chosen = pick(np.cumsum(np.exp(common - common.max()))[None], rng.random(DRAWS))
    return np.stack(
        [SHIFTS[pick(weights[chosen], rng.random(DRAWS))] for weights in posteriors], axis=1
    )


def pick(cumulated: Floats, shares: Floats) -> NDArray[np.intp]:
    """Return for each of `shares` (N,) an index drawn by the cumulated weights, (N or 1, M)."""
    at_most = cumulated[:, -1] * shares
    found: NDArray[np.intp] = np.sum(cumulated <= at_most[:, None], axis=1)
    return np.asarray(np.minimum(found, cumulated.shape[1] - 1))


def needed(open_bins: Floats, below: Floats, allowed: float) -> int:
    """Return how many readings must be looked at until at most `allowed` are wrong in the rest.

    `below` is how many may be wrong up to each bin, bins in order of rising doubt.
    """
    good = int(np.searchsorted(below, allowed, side="right"))
    rest = float(open_bins[good + 1 :].sum())
    if good < len(open_bins) and below[good] > 0:
        before = below[good - 1] if good else 0.0
        rest += open_bins[good] * (1 - (allowed - before) / (below[good] - before))
    return int(np.ceil(rest))


def log_odds(share: Floats | float) -> Floats:
    """Return the logarithm of the odds of a share strictly between 0 and 1."""
    return np.asarray(np.log(share) - np.log1p(-np.asarray(share)))


def logistic(value: Floats) -> Floats:
    """Return the share whose log-odds are `value`."""
    return np.asarray(1 / (1 + np.exp(-value)))
