"""The primal network simplex on a sparse set of arcs of a transportation problem.

Nodes ``0 .. n-1`` are the rows, ``n .. n+m-1`` the columns.  A basis is a spanning tree of the nodes; here
it hangs from a root and is stored as an array in preorder, so that a subtree is a *slice*: shifting its
potentials, testing ancestry and moving it elsewhere need no linked list.  A pivot costs at most one pass
over the nodes, one or two nanoseconds each; the classical thread visits fewer, but waits for every load.

Masses are integers of a special kind, ``a = 1`` and ``b = 0`` modulo ``n + 1`` except for one column that
takes the rest (Orden's perturbation).  The flow on a tree arc is then never zero, whatever the tree: it is
the difference between the two sides of a cut, and modulo ``n + 1`` it counts the rows of one side.  So the
leaving arc is unique, every pivot lowers the cost strictly, and no rule against cycling is needed.
[Orden 1956; Dantzig 1963, sec. 10-2; strongly feasible trees are the same thing, Cunningham 1976]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from otcore._kernels.sums import two_sum
from otcore._types import Array, Indices

ROUNDING = 2.0**-50  # of the largest potential: u for each of the two, 3u for the subtractions, rounded up to 8u


class Tree(NamedTuple):
    """A spanning tree that hangs from ``order[0]``; the arc between ``v`` and its parent is stored at ``v``.

    ``order[place[v] : place[v] + size[v]]`` is the subtree of ``v``.  A row sends, a column receives, so the
    side of ``v`` gives the direction of its arc.  ``potential`` is f on rows and -g on columns: the reduced
    cost of (i, j) is ``M_ij - potential[i] + potential[n + j]``, and a subtree moves by one constant.
    """

    parent: Indices
    size: Indices
    order: Indices
    place: Indices
    flow: Indices
    cost: Array
    potential: Array


@njit(cache=True, nogil=True)
def turn(tree, q, u, above, flow, cost, buffer):
    """Turn the subtree of ``q`` to hang from its node ``u``, below ``above`` by an arc with ``flow`` and ``cost``.

    The new preorder goes to ``buffer``: the path from u to q turns round, and each of its nodes takes along
    what of its subtree is not yet written, two slices of the old order.
    """
    parent, size, order, place = tree.parent, tree.size, tree.order, tree.place
    T = size[q]
    w, k, inner = u, 0, 0
    lo = hi = place[u]
    while True:
        left, right = place[w], place[w] + size[w]
        for t in range(left, lo):
            buffer[k] = order[t]
            k += 1
        for t in range(hi, right):
            buffer[k] = order[t]
            k += 1
        lo, hi = left, right
        size[w], inner = T - inner, size[w]
        up = parent[w]
        parent[w] = above
        tree.flow[w], flow = flow, tree.flow[w]
        tree.cost[w], cost = cost, tree.cost[w]
        if w == q:
            break
        w, above = up, w


@njit(cache=True, nogil=True)
def centre(tree, buffer):
    """Hang the tree from its centroid: no branch has more than half of the nodes."""
    N, c = tree.order.size, tree.order[0]
    for v in range(N):
        if N <= 2 * tree.size[v] < 2 * tree.size[c]:
            c = v
    turn(tree, tree.order[0], c, -1, 0, 0.0, buffer)
    for t in range(N):
        v = buffer[t]
        tree.order[t], tree.place[v] = v, t


@njit(cache=True, nogil=True)
def hang(n, m, i, j, cost):
    """The tree with arcs (i, j), hung from its centroid: no branch has more than half of the nodes.

    ``flow`` and ``potential`` are left at zero.  Anything but a spanning tree gives ``order[-1] == -1``.
    """
    N = n + m
    start = np.zeros(N + 1, np.int64)
    for k in range(i.size):
        start[i[k] + 1] += 1
        start[n + j[k] + 1] += 1
    start = np.cumsum(start)
    fill = start[:-1].copy()
    neighbour, price = np.empty(2 * i.size, np.int64), np.empty(2 * i.size)
    for k in range(i.size):
        u, v = i[k], n + j[k]
        neighbour[fill[u]], price[fill[u]] = v, cost[k]
        neighbour[fill[v]], price[fill[v]] = u, cost[k]
        fill[u] += 1
        fill[v] += 1

    tree = Tree(
        np.full(N, -1), np.ones(N, np.int64), np.full(N, -1), np.zeros(N, np.int64),
        np.zeros(N, np.int64), np.zeros(N), np.zeros(N),
    )  # fmt: skip
    stack = np.empty(N, np.int64)
    stack[0], top, t = 0, 1, 0
    while top > 0 and t < N:
        top -= 1
        u = stack[top]
        tree.order[t], tree.place[u] = u, t
        t += 1
        for k in range(start[u], start[u + 1]):
            v = neighbour[k]
            if v != tree.parent[u] and top < N:
                tree.parent[v], tree.cost[v] = u, price[k]
                stack[top] = v
                top += 1
    if t < N or top > 0:  # not connected, or a cycle was walked round and round
        tree.order[-1] = -1
        return tree
    for t in range(N - 1, 0, -1):
        v = tree.order[t]
        tree.size[tree.parent[v]] += tree.size[v]
    centre(tree, stack)
    return tree


@njit(cache=True, nogil=True)
def tree_flow(n, tree, a, b):
    """The only flow on the tree arcs with marginals ``a``, ``b`` (integers); at the root, zero."""
    out = np.empty(tree.order.size, np.int64)
    out[:n] = a
    out[n:] = b
    for t in range(out.size - 1, 0, -1):  # leaves first: what v lacks or has left over is its parent's
        v = tree.order[t]
        out[tree.parent[v]] -= out[v]
    out[tree.order[0]] = 0
    return out


@njit(cache=True, nogil=True)
def arc_flow(n, tree, i, j, flow):
    """The flow that is stored at the lower end of each arc (i, j) of the tree."""
    out = np.empty(i.size, np.int64)
    for k in range(i.size):
        u, v = i[k], n + j[k]
        out[k] = flow[u] if tree.parent[u] == v else flow[v]
    return out


@njit(cache=True, nogil=True)
def refresh(n, tree):
    """Set the potentials from the tree costs, root at 0, summed in double-double and rounded once.

    Returns the tolerance below which a computed reduced cost says nothing.
    """
    low = np.zeros(tree.order.size)
    tree.potential[tree.order[0]] = 0.0
    largest = 0.0
    for t in range(1, low.size):
        v = tree.order[t]
        p = tree.parent[v]
        s, e = two_sum(tree.potential[p], tree.cost[v] if v < n else -tree.cost[v])
        tree.potential[v], low[v] = two_sum(s, e + low[p])
        largest = max(largest, abs(tree.potential[v]))
    return ROUNDING * largest


@njit(cache=True, nogil=True)
def entering(n, tree, i, j, cost, k, block, tolerance):
    """The most negative reduced cost of the first block with any below ``-tolerance``, from arc ``k`` on.

    Returns (arc or -1, where to go on).  Small blocks in row order keep pivots local and cycles short;
    larger ones need about as many pivots and longer walks.
    """
    f, minus_g = tree.potential[:n], tree.potential[n:]
    seen, found = 0, -1
    while found < 0 and seen < cost.size:
        stop = min(k + block, cost.size)
        lowest = -tolerance
        for e in range(k, stop):
            reduced = cost[e] - f[i[e]] + minus_g[j[e]]
            if reduced < lowest:
                lowest, found = reduced, e
        seen += stop - k
        k = stop if stop < cost.size else 0
    return found, k


@njit(cache=True, nogil=True)
def climb(n, tree, v, w):
    """Climb from ``v`` to the first node above ``w``.

    Returns that node, the node whose arc empties first when ``v`` sends or receives more through the entering
    arc (the arcs of v's own side lose flow), and the difference of potentials as an unrounded pair.
    """
    mine, leaving, high, low = v < n, v, 0.0, 0.0
    target = tree.place[w]
    while not tree.place[v] <= target < tree.place[v] + tree.size[v]:
        if (v < n) == mine and tree.flow[v] < tree.flow[leaving]:
            leaving = v
        high, e = two_sum(high, tree.cost[v] if v < n else -tree.cost[v])
        low += e
        v = tree.parent[v]
    return v, leaving, high, low


@njit(cache=True, nogil=True)
def push(n, tree, v, join, amount):
    """Take ``amount`` from the arcs of v's side between ``v`` and ``join``, add it to the others."""
    mine = v < n
    while v != join:
        tree.flow[v] += -amount if (v < n) == mine else amount
        v = tree.parent[v]


@njit(cache=True, nogil=True)
def rehang(tree, q, u, v, join, flow, cost, shift, buffer):
    """Cut the subtree of ``q``, turn it to hang from its node ``u``, and hang it below ``v``."""
    size, order, place = tree.size, tree.order, tree.place
    T, s = size[q], place[q]
    e = s + T
    # Right after v or at the end of its subtree: the nearer spot moves fewer nodes.
    first, last = place[v] + 1, place[v] + size[v]
    spot = first if max(s - first, first - e) <= max(s - last, last - e) else last
    w = tree.parent[q]
    while w != join:
        size[w] -= T
        w = tree.parent[w]
    w = v
    while w != join:
        size[w] += T
        w = tree.parent[w]
    turn(tree, q, u, v, flow, cost, buffer)
    for t in range(s - 1, spot - 1, -1):  # the nodes between move right ...
        w = order[t]
        order[t + T], place[w] = w, t + T
    for t in range(e, spot):  # ... or left; one of the two loops is empty
        w = order[t]
        order[t - T], place[w] = w, t - T
    spot -= T if spot >= e else 0
    for t in range(T):
        w = buffer[t]
        order[spot + t], place[w] = w, spot + t
        tree.potential[w] += shift


@njit(cache=True, nogil=True)
def pivots(n, tree, i, j, cost, k, limit):
    """Pivot until no arc (i, j) violates its dual constraint, or ``limit`` pivots are done.

    Parameters
    ----------
    tree : Tree with positive flows; changed in place, potentials included
    i, j, cost : (K,) rows, columns and costs of the arcs
    k : where the search for an arc starts, 0 or what the previous call returned

    Returns
    -------
    (pivots done, next k, whether the tree is optimal for these arcs)
    """
    block = max(16, int(np.sqrt(cost.size)))
    buffer = np.empty(tree.order.size, np.int64)
    tolerance, fresh, done = refresh(n, tree), True, 0
    while done < limit:
        arc, k = entering(n, tree, i, j, cost, k, block, tolerance)
        if arc >= 0:
            u, v = i[arc], n + j[arc]
            join, p, f, f_low = climb(n, tree, u, v)
            _, q, h, h_low = climb(n, tree, v, u)
            s, e = two_sum(cost[arc], -f)
            s, e_h = two_sum(s, h)
            reduced = s + (((e + e_h) - f_low) + h_low)  # round the cycle in double-double: the true sign
        if arc < 0 or reduced >= 0.0:  # none left, or a false alarm: the shifts have drifted
            if fresh:
                return done, k, True
            tolerance, fresh = refresh(n, tree), True
            continue
        fresh, done = False, done + 1
        on_u = p != join and (q == join or tree.flow[p] < tree.flow[q])
        amount = tree.flow[p] if on_u else tree.flow[q]
        push(n, tree, u, join, amount)
        push(n, tree, v, join, amount)
        if on_u:
            rehang(tree, p, u, v, join, amount, cost[arc], reduced, buffer)
        else:
            rehang(tree, q, v, u, join, amount, cost[arc], -reduced, buffer)
    return done, k, False


@njit(cache=True, nogil=True)
def fill(i, j, a, b):
    """Send what fits along each arc (i, j) in turn, then from the north-west corner: n + m - 1 arcs of a tree.

    Each arc used closes the row or the column that it empties, so it is the only one from that node into
    what is still open: the arcs span a tree, and the flow on it is feasible.
    """
    n, m = a.size, b.size
    a, b = a.copy(), b.copy()
    open_row, open_column = np.ones(n, np.bool_), np.ones(m, np.bool_)
    out_i, out_j = np.empty(n + m - 1, np.int64), np.empty(n + m - 1, np.int64)
    rows, k, e, u, v = n, 0, 0, 0, 0
    while k < out_i.size:
        if e < i.size:
            p, q = i[e], j[e]
            e += 1
            if not (open_row[p] and open_column[q]):
                continue
        else:
            while not open_row[u]:
                u += 1
            while not open_column[v]:
                v += 1
            p, q = u, v
        out_i[k], out_j[k] = p, q
        k += 1
        x = min(a[p], b[q])
        a[p] -= x
        b[q] -= x
        if a[p] == 0 and rows > 1:
            open_row[p] = False
            rows -= 1
        else:
            open_column[q] = False
    return out_i, out_j


@njit(cache=True, nogil=True)
def _insert(values, labels, x, label):
    """Put ``x`` into the ascending ``values``, whose last one drops out."""
    k = values.size - 1
    while k > 0 and values[k - 1] > x:
        values[k], labels[k] = values[k - 1], labels[k - 1]
        k -= 1
    values[k], labels[k] = x, label


@njit(cache=True, nogil=True)
def cheapest(rows, i0, n, g, row_r, row_j, column_r, column_i):
    """Collect the arcs of least ``M_ij - g_j`` of each row and of least ``M_ij - g_j - f_i`` of each column.

    Parameters
    ----------
    rows : costs of the rows from ``i0`` on, of ``n`` in all
    row_r, row_j : (n, K), column_r, column_i : (L, m); values ascending (filled with inf), and labels
    """
    m = g.size
    K, L = row_r.shape[1], column_r.shape[0]
    for r in range(rows.shape[0]):
        i = i0 + r
        start = i * m // n  # every row starts elsewhere, so that ties do not all pick the same columns
        for t in range(m):
            j = start + t if start + t < m else start + t - m
            x = rows[r, j] - g[j]
            if x < row_r[i, K - 1]:
                _insert(row_r[i], row_j[i], x, j)
        f = row_r[i, 0]
        for j in range(m):
            x = rows[r, j] - g[j] - f
            if x < column_r[L - 1, j]:
                _insert(column_r[:, j], column_i[:, j], x, i)


TILE = 64  # columns tested at once: the count of violations vectorises, a search for the worst would not


@njit(cache=True, nogil=True)
def violations(rows, i0, f, g, tolerance, worst_r, worst_j):
    """Collect the arcs of lowest ``M_ij - f_i - g_j < -tolerance`` of each of these rows.

    ``worst_r`` (n, K), filled with ``-tolerance``, and ``worst_j`` (n, K), filled with -1, receive them.
    """
    m = g.size
    K = worst_r.shape[1]
    tiles = (m + TILE - 1) // TILE
    for r in range(rows.shape[0]):
        i = i0 + r
        for t in range(tiles):
            j0 = (i + t) % tiles * TILE  # every row starts elsewhere: see cheapest
            j1 = min(m, j0 + TILE)
            hits = 0
            for j in range(j0, j1):
                hits += rows[r, j] - f[i] - g[j] < -tolerance
            if hits > 0:
                for j in range(j0, j1):
                    x = rows[r, j] - f[i] - g[j]
                    if x < worst_r[i, K - 1]:
                        _insert(worst_r[i], worst_j[i], x, j)


@njit(cache=True, nogil=True)
def bridges(rows, i0, n, f, g, component, best, best_i, best_j):
    """The arc of least ``M_ij - f_i - g_j`` that leaves each component; a forbidden one if there is no other."""
    for r in range(rows.shape[0]):
        i = i0 + r
        for j in range(g.size):
            if component[i] != component[n + j]:
                x = rows[r, j] - f[i] - g[j]
                for c in (component[i], component[n + j]):
                    if x < best[c] or best_i[c] < 0:
                        best[c], best_i[c], best_j[c] = x, i, j
