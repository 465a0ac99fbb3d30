"""Interpolated n-grams, the baseline of a language model."""

from typing import Any

import numpy as np

from trainables.text.characters import Numbers


def bits(train: Numbers, val: Numbers, order: int, symbols: int) -> float:
    """The mean of -log2 p over the predicted symbols of `val`, by n-grams of `order` counted in `train`.

    Rows are windows (N, T) of integers below `symbols`; all but the first symbol of a row are predicted, each
    from up to `order` - 1 symbols before it in its row. Witten-Bell smoothing (Witten and Bell, IEEE Trans.
    Inf. Theory, 1991): in a context with n symbols, t of them different, a symbol with count c has the
    probability (c + t q) / (n + t), where q is its probability in the context that is one symbol shorter.
    """
    probability = np.full(val[:, 1:].shape, 1 / symbols)
    for length in range(order):
        first = max(1, length)  # position of the first symbol that has so many before it
        contexts, pairs = codes(train, length, first, symbols)
        known, counts = np.unique(pairs, return_counts=True)
        context, starts = np.unique(known // symbols, return_index=True)
        totals = np.add.reduceat(counts, starts)
        different = np.diff([*starts, len(known)])

        contexts, pairs = codes(val, length, first, symbols)
        row, is_known = find(contexts, context)
        column, is_counted = find(pairs, known)
        n, t = totals[row], different[row]
        shorter = probability[:, first - 1 :]
        longer = (np.where(is_counted, counts[column], 0) + t * shorter) / (n + t)
        probability[:, first - 1 :] = np.where(is_known, longer, shorter)
    return float(-np.log2(probability).mean())


def codes(windows: Numbers, length: int, first: int, symbols: int) -> tuple[Numbers, Numbers]:
    """One integer for each context of `length` symbols, and for each context with its next symbol.

    Both (N, T - first), for the symbols from position `first` on.
    """
    context = np.zeros_like(windows[:, first:])
    for back in range(length, 0, -1):
        context = context * symbols + windows[:, first - back : windows.shape[1] - back]
    return context, context * symbols + windows[:, first:]


def find(values: Numbers, known: Numbers) -> tuple[Numbers, np.ndarray[Any, np.dtype[np.bool_]]]:
    """The places of values in the sorted array `known`, and whether they are there; else any place."""
    places = np.searchsorted(known, values).clip(max=len(known) - 1)
    return places, known[places] == values
