"""Nested cells of a cloud: a kd order in which every cell is a range, and trees carried from cells to their parts."""

from __future__ import annotations

import numpy as np

from otcore._kernels._kernel import kernel, linear

LEAF = 32  # points a box holds; cuts fall between boxes, so that no box straddles a cut
SUPER = LEAF * LEAF


@kernel
def cut(size):
    """Where a range of ``size`` points is halved: between whole super-boxes, then whole boxes, then points."""
    unit = SUPER if size > SUPER else LEAF if size > LEAF else 1
    return (size + unit - 1) // unit // 2 * unit


@kernel
def _select(order, values, lo, hi, k):
    """Permute ``order[lo:hi]`` so that the entries before ``k`` have the smallest values.  [Hoare 1961]"""
    while hi - lo > 1:
        pivot = values[order[(lo + hi) // 2]]
        i, j = lo, hi - 1
        while i <= j:
            while values[order[i]] < pivot:
                i += 1
            while values[order[j]] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if k <= j:
            hi = j + 1
        elif k >= i:
            lo = i
        else:
            return


@kernel(work=linear)
def kd_order(xt):
    """A permutation of the points ``xt`` (d, n): every range is halved by :func:`cut` along its widest side."""
    n = xt.shape[1]
    order = np.arange(n)
    stack = np.empty((128, 2), np.int64)
    stack[0, 0], stack[0, 1], top = 0, n, 1
    while top > 0:
        top -= 1
        lo, hi = stack[top]
        middle = lo + cut(hi - lo)
        if middle == lo:
            continue
        widest, axis = -1.0, 0
        for k in range(xt.shape[0]):
            least = most = xt[k, order[lo]]
            for t in range(lo + 1, hi):
                least, most = min(least, xt[k, order[t]]), max(most, xt[k, order[t]])
            if most - least > widest:
                widest, axis = most - least, k
        _select(order, xt[axis], lo, hi, middle)
        stack[top, 0], stack[top, 1] = lo, middle
        stack[top + 1, 0], stack[top + 1, 1] = middle, hi
        top += 2
    return order


@kernel(work=linear)
def halves(edges):
    """The edges (k + 1,) of ranges, each halved once more; single points stay whole."""
    out = np.empty(2 * edges.size, np.int64)
    k = 0
    for c in range(edges.size - 1):
        out[k] = edges[c]
        k += 1
        middle = edges[c] + cut(edges[c + 1] - edges[c])
        if middle > edges[c]:
            out[k] = middle
            k += 1
    out[k] = edges[-1]
    return out[: k + 1]


@kernel(work=linear)
def refine(i, j, flow, row_parts, column_parts, a, b):
    """A spanning tree of the parts with the flow of a tree of cells.

    Each flow is peeled off the parts of its row cell and of its column cell, in order: the north-west corner
    inside each pair.  Parts cut by a flow join it to the next one, so n + m - 1 arcs come out, and a feasible
    flow on them: no two ends ever meet, because the perturbed masses leave no cut balanced.

    Parameters
    ----------
    i, j, flow : (k,) tree of the cells, sorted by cells, with its positive flows
    row_parts, column_parts : the parts of row cell ``I`` are ``row_parts[I] .. row_parts[I + 1] - 1``
    a, b : (n,), (m,) masses of the parts
    """
    n, m = a.size, b.size
    out_i, out_j = np.empty(n + m - 1, np.int64), np.empty(n + m - 1, np.int64)
    left_a, left_b = a.copy(), b.copy()
    row, column = row_parts.copy(), column_parts.copy()
    k = 0
    for arc in range(flow.size):
        rest = flow[arc]
        while rest > 0:
            p, q = row[i[arc]], column[j[arc]]
            x = min(left_a[p], left_b[q], rest)
            out_i[k], out_j[k] = p, q
            k += 1
            rest -= x
            left_a[p] -= x
            left_b[q] -= x
            if left_a[p] == 0:
                row[i[arc]] += 1
            if left_b[q] == 0:
                column[j[arc]] += 1
    return out_i, out_j
