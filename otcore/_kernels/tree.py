"""Exact flows on a spanning tree, in fixed point: no rounding, so every sign is the true one.

A mass w in [0, 1) is the pair of int64 (hi, lo): ``w = hi / 2^52 + lo / 2^104`` with ``0 <= lo < 2^52``.
Sums and differences of such pairs are exact; hi carries the sign.
"""

from __future__ import annotations

import numpy as np

from otcore._kernels._kernel import kernel, linear

LIMB = 1 << 52
SCALE = float(LIMB)


@kernel(work=linear)
def total(hi, lo):
    """Exact sum as one pair."""
    h, low = np.int64(0), np.int64(0)
    for k in range(hi.size):
        h += hi[k]
        low += lo[k]
        if low >= LIMB:
            low -= LIMB
            h += 1
    return h, low


@kernel(work=linear)
def to_fixed(w, hi, lo):
    """Fixed-point floor of masses w in [0, 1); returns whether nothing was cut off, and the sum of what is left."""
    exact = True
    for k in range(w.size):
        t = w[k] * SCALE
        h = np.floor(t)
        r = (t - h) * SCALE  # exact: the fraction of a float, times a power of two
        low = np.floor(r)
        exact = exact and r == low
        hi[k] = np.int64(h)
        lo[k] = np.int64(low)
    return exact, total(hi, lo)


@kernel(work=linear)
def to_fixed_scaled(w, ratio_hi, ratio_lo, cut, hi, lo):
    """Fixed-point masses at most ``w * ratio``, for a ratio that is off by at most ``8 cut`` units of 2^-104.

    The double-double product is off by at most 4 units for w * ratio < 1, flooring takes one more.  Returns their sum.
    """
    for k in range(w.size):
        s = w[k] * ratio_hi
        # Dekker's product: exact error of the leading product.
        c = 134217729.0 * w[k]
        x1 = c - (c - w[k])
        x2 = w[k] - x1
        c = 134217729.0 * ratio_hi
        y1 = c - (c - ratio_hi)
        y2 = ratio_hi - y1
        e = x2 * y2 - (((s - x1 * y1) - x2 * y1) - x1 * y2) + w[k] * ratio_lo
        t = s * SCALE
        h = np.floor(t)
        margin = 9 + np.int64(8 * cut * s)
        low = np.int64(np.floor((t - h) * SCALE + e * SCALE * SCALE)) - margin
        high = np.int64(h) + low // LIMB
        low = low % LIMB
        if high < 0:
            high, low = np.int64(0), np.int64(0)
        hi[k], lo[k] = high, low
    return total(hi, lo)


@kernel(work=linear)
def to_floats(hi, lo, head, tail):
    """Fixed-point masses as unrounded pairs of floats: ``head + tail`` is exact, head the nearest float.

    Returns how many are zero.
    """
    zeros = 0
    for k in range(hi.size):
        high, low = hi[k] / SCALE, lo[k] / SCALE / SCALE
        head[k] = high + low
        tail[k] = low - (head[k] - high)
        zeros += head[k] == 0.0
    return zeros


@kernel
def _find(parent, v):
    while parent[v] != v:
        parent[v] = parent[parent[v]]
        v = parent[v]
    return v


@kernel(work=linear)
def spanning_forest(n, m, i, j, order, chosen):
    """Kruskal: mark in ``chosen`` the arcs, taken in ``order``, that join two components; returns how many."""
    parent = np.arange(n + m)
    count = 0
    for k in order:
        u, v = _find(parent, i[k]), _find(parent, n + j[k])
        chosen[k] = u != v
        if u != v:
            parent[u] = v
            count += 1
    return count


@kernel(work=linear)
def forest_flows(n, m, i, j, hi, lo, flow_hi, flow_lo):
    """The only flows on the forest arcs (i, j) that meet the node masses, leaf by leaf.

    ``hi, lo`` (n + m) are the masses still to be moved at each node; on return they hold what the arcs
    could not carry: zero everywhere when each component balances.  A flow may come out negative.  Returns for how
    many arcs there is one: all of a forest.
    """
    size = i.size
    degree = np.zeros(n + m, np.int64)
    link = np.zeros(n + m, np.int64)  # XOR of the arcs at a node: at a leaf, its only arc
    done = 0
    for k in range(size):
        u, v = i[k], n + j[k]
        degree[u] += 1
        degree[v] += 1
        link[u] ^= k
        link[v] ^= k
    for start in range(n + m):
        leaf = start
        while degree[leaf] == 1:
            k = link[leaf]
            other = n + j[k] if leaf == i[k] else i[k]
            flow_hi[k], flow_lo[k] = hi[leaf], lo[leaf]
            hi[other] -= hi[leaf]
            lo[other] -= lo[leaf]
            if lo[other] < 0:
                lo[other] += LIMB
                hi[other] -= 1
            hi[leaf] = lo[leaf] = 0
            degree[leaf] = 0
            done += 1
            degree[other] -= 1
            link[other] ^= k
            # Go on with the neighbour if that made it a leaf that the outer loop has passed already.
            leaf = other if other < start else start
    return done


@kernel(work=linear)
def staircase_flows(n, i, j, hi, lo, flow_hi, flow_lo):
    """:func:`forest_flows` where each arc shares its row or its column with the one before: one pass.

    Returns False, with nothing of use in ``flow_hi, flow_lo``, where the arcs (i, j) are not such a staircase
    through all nodes or the masses do not balance.
    """
    size = i.size
    if size == 0 or size != hi.size - 1:
        return False
    seen = np.zeros(hi.size, np.bool_)
    row, column = i[0], j[0]
    seen[row] = seen[n + column] = True
    a_hi, a_lo, b_hi, b_lo = hi[row], lo[row], hi[n + column], lo[n + column]  # what both still hold
    for k in range(size - 1):
        across, down = j[k + 1] != column, i[k + 1] != row
        if across == down:
            return False
        if across:  # the column is done
            column = j[k + 1]
            node = n + column
            flow_hi[k], flow_lo[k] = b_hi, b_lo
            a_hi, a_lo = a_hi - b_hi, a_lo - b_lo
            if a_lo < 0:
                a_hi, a_lo = a_hi - 1, a_lo + LIMB
            b_hi, b_lo = hi[node], lo[node]
        else:
            row = i[k + 1]
            node = row
            flow_hi[k], flow_lo[k] = a_hi, a_lo
            b_hi, b_lo = b_hi - a_hi, b_lo - a_lo
            if b_lo < 0:
                b_hi, b_lo = b_hi - 1, b_lo + LIMB
            a_hi, a_lo = hi[node], lo[node]
        if seen[node]:
            return False
        seen[node] = True
    flow_hi[size - 1], flow_lo[size - 1] = a_hi, a_lo
    return a_hi == b_hi and a_lo == b_lo


@kernel(work=linear)
def tree_flows(n, i, j, hi, lo, flow_hi, flow_lo):
    """:func:`forest_flows` where the arcs span a tree; ``hi, lo`` are left alone.

    Returns False, with nothing of use in ``flow_hi, flow_lo``, where they do not or the masses do not balance.
    """
    if i.size != hi.size - 1:
        return False
    if staircase_flows(n, i, j, hi, lo, flow_hi, flow_lo):
        return True
    hi, lo = hi.copy(), lo.copy()
    if forest_flows(n, hi.size - n, i, j, hi, lo, flow_hi, flow_lo) < i.size:
        return False
    left = 0
    for v in range(hi.size):
        left += hi[v] != 0 or lo[v] != 0
    return left == 0


@kernel(work=linear)
def incidence(nodes, first, arcs):
    """Arcs grouped by node: those of node v are ``arcs[first[v] : first[v + 1]]``, in their own order."""
    first[:] = 0
    for v in nodes:
        first[v + 1] += 1
    for v in range(first.size - 1):
        first[v + 1] += first[v]
    end = first[:-1].copy()
    for k in range(nodes.size):
        arcs[end[nodes[k]]] = k
        end[nodes[k]] += 1
