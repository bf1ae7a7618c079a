"""The loss of strips of numbers as one program of JAX: a scan over the steps.

The recursion over the steps is all there is in order; everything else is a handful of array
operations on all numbers of the batch. The backward variables of a number are the forward ones of
its mirror image, so that one scan makes both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from inkdigits.models.line import BLANK

NEVER = -1e30
"""The logarithm of a probability of none."""


class Windows(NamedTuple):
    """The numbers of a batch of strips: B strips with room for K numbers of L classes.

    `starts`, `lengths` int (B, K): a number's first step and its steps, 0 where there is none;
    `labels` int (B, K, L), filled up with the blank.
    """

    starts: Any
    lengths: Any
    labels: Any


def strip_loss(parts: Any, steps: Any) -> Any:
    """Return the loss (B,) of strips; `parts` and `steps` as `models.ctc.strip_loss` has them.

    Its derivative is computed with the loss (Graves et al., 2006, section 4.1), not by going
    through the scan once more.
    """
    import jax

    lengths = parts[..., 1] - parts[..., 0]
    labels = jax.numpy.where(lengths[..., None] > 0, parts[..., 2:], BLANK)
    windows = Windows(parts[..., 0], lengths, labels)

    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def loss_of(steps: Any) -> Any:
        return losses_and_shares(steps, windows)[0]

    def forward(steps: Any) -> Any:
        losses, shares = losses_and_shares(steps, windows)
        return losses, shares / steps

    def backward(kept: Any, upstream: Any) -> Any:
        return (-upstream[:, None, None] * kept,)

    loss_of.defvjp(forward, backward)
    return loss_of(steps)


def losses_and_shares(steps: Any, windows: Windows) -> tuple[Any, Any]:
    """Return the losses (B,) and each class's share of each step, float32 (B, T, C)."""
    import jax.numpy as jnp

    count, classes = steps.shape[1:]
    ahead = windows.starts[..., None] + jnp.arange(count)
    emitted = emissions(steps, windows, windows.labels, ahead)
    behind = (windows.starts + windows.lengths - 1)[..., None] - jnp.arange(count)
    mirrored = emissions(steps, windows, mirror(windows), behind)
    labels = jnp.concatenate([windows.labels, mirror(windows)])
    arrived, last = scan(jnp.concatenate([emitted, mirrored]), leaps_of(labels))
    half = len(steps)
    ends = 2 * lengths_of(windows.labels)[..., None]
    whole, open_end = (jnp.take_along_axis(last[:half], end, -1) for end in (ends, ends - 1))
    # A number without a class ends in the one state that it has.
    likelihood = jnp.logaddexp(whole, jnp.where(ends > 0, open_end, NEVER))
    together = arrived[:half] + emitted + turned(arrived[half:], windows)
    posterior = jnp.exp(together - likelihood[:, :, None])
    states = jnp.eye(classes)[states_of(windows.labels)]
    told = jnp.einsum("bkts,bksc->bktc", posterior, states, precision="highest")
    return -likelihood.sum((1, 2)), in_strips(told, windows)


def states_of(labels: Any) -> Any:
    """Return labels (…, L) with blanks around each: (…, 2 L + 1)."""
    import jax.numpy as jnp

    wide = jnp.full((*labels.shape[:-1], 2 * labels.shape[-1] + 1), BLANK, labels.dtype)
    return wide.at[..., 1::2].set(labels)


def leaps_of(labels: Any) -> Any:
    """Return whether the blank before a state may be left out: its logarithm, (…, 2 L + 1)."""
    import jax.numpy as jnp

    differ = jnp.where(labels[..., 1:] != labels[..., :-1], 0.0, NEVER)
    wide = jnp.full((*labels.shape[:-1], 2 * labels.shape[-1] + 1), NEVER)
    return wide.at[..., 3::2].set(differ)


def lengths_of(labels: Any) -> Any:
    """Return how many classes each label has."""
    return (labels != BLANK).sum(-1)


def mirror(windows: Windows) -> Any:
    """Return the labels from last to first, still filled up with the blank at the end."""
    import jax.numpy as jnp

    labels = windows.labels
    place = lengths_of(labels)[..., None] - 1 - jnp.arange(labels.shape[-1])
    found = jnp.take_along_axis(labels, jnp.maximum(place, 0), -1)
    return jnp.where(place >= 0, found, BLANK)


def emissions(steps: Any, windows: Windows, labels: Any, places: Any) -> Any:
    """Return the log-probability of each state at each of a number's own steps, (B, K, T, S).

    `places` (B, K, T) are the steps in the strip, in the number's order. Beyond the number come
    sure blanks, which change no likelihood.
    """
    import jax.numpy as jnp

    count = steps.shape[1]
    own = (jnp.arange(count) < windows.lengths[..., None])[..., None]
    states = states_of(labels)[:, :, None]
    valid = jnp.arange(states.shape[-1]) <= 2 * lengths_of(labels)[..., None, None]
    row = jnp.arange(len(steps))[:, None, None, None]
    found = jnp.log(steps)[row, jnp.clip(places, 0, count - 1)[..., None], states]
    sure = jnp.where(states == BLANK, 0.0, NEVER)
    return jnp.where(valid, jnp.where(own, found, sure), NEVER)


def scan(emitted: Any, leaps: Any) -> tuple[Any, Any]:
    """Return what arrives in each state before it emits, and the last forward variables.

    (N, K, T, S) and (N, K, S), logarithms: where a network is sure of other digits, a likelihood
    is less than float32 holds.
    """
    import jax
    import jax.numpy as jnp

    def step(state: Any, emission: Any) -> Any:
        once, twice = (shifted(state, places) for places in (1, 2))
        arrived = jnp.logaddexp(jnp.logaddexp(state, once), twice + leaps)
        return jnp.maximum(arrived + emission, NEVER), arrived

    first = jnp.full_like(leaps, NEVER).at[..., 0].set(0)
    last, arrived = jax.lax.scan(step, first, jnp.moveaxis(emitted, 2, 0))
    return jnp.moveaxis(arrived, 0, 2), last


def shifted(state: Any, places: int) -> Any:
    """Return the states moved on by so many `places`."""
    import jax.numpy as jnp

    moves = ((0, 0), (0, 0), (places, 0))
    return jnp.pad(state[..., :-places], moves, constant_values=NEVER)


def turned(mirrored: Any, windows: Windows) -> Any:
    """Return what the scan over mirror images found, in the order of steps and states."""
    import jax.numpy as jnp

    count, states = mirrored.shape[2:]
    step = windows.lengths[..., None] - 1 - jnp.arange(count)
    state = 2 * lengths_of(windows.labels)[..., None] - jnp.arange(states)
    row = jnp.arange(len(mirrored))[:, None, None, None]
    number = jnp.arange(mirrored.shape[1])[:, None, None]
    found = mirrored[
        row, number, jnp.maximum(step, 0)[..., None], jnp.maximum(state, 0)[:, :, None]
    ]
    return jnp.where((step >= 0)[..., None] & (state >= 0)[:, :, None], found, NEVER)


def in_strips(told: Any, windows: Windows) -> Any:
    """Return the numbers' shares (B, K, T, C) where they stand in their strips, (B, T, C)."""
    import jax.numpy as jnp

    step = jnp.arange(told.shape[2]) - windows.starts[..., None]
    inside = (step >= 0) & (step < windows.lengths[..., None])
    number = jnp.argmax(inside, 1)
    row = jnp.arange(len(told))[:, None]
    place = jnp.take_along_axis(step, number[:, None], 1)[:, 0]
    found = told[row, number, jnp.maximum(place, 0)]
    return jnp.where(inside.any(1)[..., None], found, 0)
