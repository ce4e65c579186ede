"""The primal network simplex on a sparse set of arcs.

A basis is a spanning tree of the nodes; here it hangs from a root and is stored as an array in preorder, so
that a subtree is a *slice*: shifting its potentials, testing ancestry and moving it elsewhere need no linked
list.  A pivot costs at most one pass over the nodes, one or two nanoseconds each; the classical thread visits
fewer, but waits for every load.  Nodes and places are unsigned and of 32 bits: Numba tests whether a signed index
counts from the end at every access, and half the bytes stay in the cache; pivots are twice as fast.  The kernel knows
arcs ``tail -> head`` and how much each tree arc can still take either way; it serves any graph, and graphs whose tree
arcs stand for whole paths (``contraction``).

In a transportation problem nodes ``0 .. n-1`` are the rows, ``n .. n+m-1`` the columns.  Masses are integers of
a special kind, ``a = 1`` and ``b = 0`` modulo ``n + 1`` except for one column that takes the rest (Orden's
perturbation).  The flow on a tree arc is then never zero, whatever the tree: it is the difference between the
two sides of a cut, and modulo ``n + 1`` it counts the rows of one side.  So the leaving arc is unique, every
pivot lowers the cost strictly, and no rule against cycling is needed.
[Orden 1956; Dantzig 1963, sec. 10-2; strongly feasible trees are the same thing, Cunningham 1976]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from otcore._kernels._kernel import interpreted, kernel, linear
from otcore._kernels.sums import two_sum
from otcore._types import Array, Indices, Unsigned

ROUNDING = 2.0**-50  # of the largest potential: u for each of the two, 3u for the subtractions, rounded up to 8u
FREE = np.int64(1 << 62)  # what an arc without a bound can still take; more than all mass, and with it still an int64
LOPSIDED = 0.6  # of the nodes: a subtree so large has moved that it pays to hang the tree from its centroid again
NODE = np.uint32  # of a node, and of its place in the preorder
NONE = NODE(2**32 - 1)  # above the root, and what has no place
ZERO = np.int64(0)  # in a link: a literal is a type of its own, and all below is compiled again
index = np.uint64  # of an array: what is not negative need not be tested


class Tree(NamedTuple):
    """A spanning tree that hangs from ``order[0]``; the arc between ``v`` and its parent is stored at ``v``.

    ``order[place[v] : place[v] + size[v]]`` is the subtree of ``v``.  The arc can still take ``up[v]`` from v to
    its parent and ``down[v]`` the other way; ``edge[v]`` is its name.  ``rise[v]`` is the potential of v less
    that of its parent.  Reduced costs are ``cost - potential[tail] + potential[head]``: for rows and columns, f
    and -g, so that a subtree moves by one constant.
    """

    parent: Unsigned
    size: Unsigned
    order: Unsigned
    place: Unsigned
    up: Indices
    down: Indices
    edge: Indices
    rise: Array
    potential: Array


@kernel
def empty_tree(N):
    """A tree of N nodes that are not yet joined."""
    return Tree(
        np.full(N, NONE), np.ones(N, NODE), np.full(N, NONE), np.zeros(N, NODE), np.zeros(N, np.int64),
        np.zeros(N, np.int64), np.zeros(N, np.int64), np.zeros(N), np.zeros(N),
    )  # fmt: skip


@kernel
def relink(tree, w, above, link):
    """Hang ``w`` below ``above`` by the arc ``link`` (up, down, edge, rise).

    Returns the arc that it hung from, as seen from the other end.
    """
    up, down, edge, rise = tree.up[w], tree.down[w], tree.edge[w], tree.rise[w]
    tree.parent[w] = above
    tree.up[w], tree.down[w], tree.edge[w], tree.rise[w] = link
    return down, up, edge, -rise


def _turn(tree, q, u, above, link, buffer):
    size, order, place = tree.size, tree.order, tree.place
    w, k, inner, T, lo = u, 0, 0, int(size[q]), int(place[u])
    hi = lo
    while True:
        left = int(place[w])
        right = left + int(size[w])
        for part in (order[left:lo], order[hi:right]):
            buffer[k : k + part.size] = part
            k += part.size
        lo, hi = left, right
        size[w], inner = T - inner, int(size[w])
        next_up = tree.parent[w]
        link = interpreted(relink)(tree, w, above, link)
        if w == q:
            break
        w, above = next_up, w


@kernel(twin=_turn)
def turn(tree, q, u, above, link, buffer):
    """Turn the subtree of ``q`` to hang from its node ``u``, below ``above`` by the arc ``link``.

    The new preorder goes to ``buffer``: the path from u to q turns round, and each of its nodes takes along
    what of its subtree is not yet written, two slices of the old order.
    """
    parent, size, order, place = tree.parent, tree.size, tree.order, tree.place
    w, k, inner = u, index(0), index(0)
    T, lo = index(size[q]), index(place[u])
    hi = lo
    while True:
        left = index(place[w])
        right = left + size[w]
        for t in range(lo - left):
            buffer[k + t] = order[left + t]
        k += lo - left
        for t in range(right - hi):
            buffer[k + t] = order[hi + t]
        k += right - hi
        lo, hi = left, right
        size[w], inner = T - inner, index(size[w])
        next_up = parent[w]
        link = relink(tree, w, above, link)
        if w == q:
            break
        w, above = next_up, w


@kernel
def centre(tree, buffer):
    """Hang the tree from its centroid: no branch has more than half of the nodes."""
    N, c = tree.order.size, tree.order[0]
    for v in tree.order:
        if N <= 2 * tree.size[v] < 2 * tree.size[c]:
            c = v
    turn(tree, tree.order[0], c, NONE, (ZERO, ZERO, ZERO, 0.0), buffer)
    for t in range(N):
        v = buffer[t]
        tree.order[t], tree.place[v] = v, t


@kernel(work=linear)
def hang(n, m, i, j, cost):
    """The tree with arcs (i, j), hung from its centroid: no branch has more than half of the nodes.

    ``up``, ``down`` and ``potential`` are left at zero.  Anything but a spanning tree gives ``order[-1] == NONE``.
    """
    N = n + m
    start = np.zeros(N + 1, np.int64)
    for k in range(i.size):
        start[i[k] + 1] += 1
        start[n + j[k] + 1] += 1
    fill = np.empty(N, np.int64)
    for v in range(N):
        fill[v] = start[v]
        start[v + 1] += start[v]
    neighbour, price = np.empty(2 * i.size, np.int64), np.empty(2 * i.size)
    for k in range(i.size):
        u, v = i[k], n + j[k]
        neighbour[fill[u]], price[fill[u]] = v, -cost[k]
        neighbour[fill[v]], price[fill[v]] = u, cost[k]
        fill[u] += 1
        fill[v] += 1

    tree = empty_tree(N)
    stack = np.empty(N, NODE)
    stack[0], top, t = 0, 1, 0
    while top > 0 and t < N:
        top -= 1
        u = stack[top]
        tree.order[t], tree.place[u] = u, t
        t += 1
        for k in range(start[u], start[u + 1]):
            v = neighbour[k]
            if v != tree.parent[u] and top < N:
                tree.parent[v], tree.rise[v] = u, price[k]
                stack[top] = v
                top += 1
    if t < N or top > 0:  # not connected, or a cycle was walked round and round
        tree.order[-1] = NONE
        return tree
    for t in range(N - 1, 0, -1):
        v = tree.order[t]
        tree.size[tree.parent[v]] += tree.size[v]
    centre(tree, stack)
    return tree


@kernel(work=linear)
def tree_flow(n, tree, a, b):
    """The only flow on the tree arcs with marginals ``a``, ``b`` (integers); at the root, zero."""
    out = np.empty(tree.order.size, np.int64)
    for v in range(out.size):  # assigning slices would compile for seconds
        out[v] = a[v] if v < n else b[v - n]
    for t in range(out.size - 1, 0, -1):  # leaves first: what v lacks or has left over is its parent's
        v = tree.order[t]
        out[tree.parent[v]] -= out[v]
    out[tree.order[0]] = 0
    return out


@kernel(work=linear)
def load(n, tree, flow):
    """Put a flow on the tree: more can always go along an arc, back no more than flows."""
    for v in range(flow.size):
        tree.up[v], tree.down[v] = (FREE, flow[v]) if v < n else (flow[v], FREE)


@kernel(work=linear)
def arc_flow(n, tree, i, j, flow):
    """The flow that is stored at the lower end of each arc (i, j) of the tree."""
    out = np.empty(i.size, np.int64)
    for k in range(i.size):
        u, v = i[k], n + j[k]
        out[k] = flow[u] if tree.parent[u] == v else flow[v]
    return out


@kernel
def refresh(tree):
    """Set the potentials from the rises, root at 0, summed in double-double and rounded once.

    Returns the tolerance below which a computed reduced cost says nothing.
    """
    low = np.zeros(tree.order.size)
    tree.potential[tree.order[0]] = 0.0
    largest = 0.0
    for t in range(1, low.size):
        v = tree.order[t]
        p = tree.parent[v]
        s, e = two_sum(tree.potential[p], tree.rise[v])
        tree.potential[v], low[v] = two_sum(s, e + low[p])
        largest = max(largest, abs(tree.potential[v]))
    return ROUNDING * largest


def _entering(tree, tail, head, cost, k, block, tolerance):
    seen, found = 0, -1
    while found < 0 and seen < cost.size:
        stop = min(k + block, cost.size)
        reduced = cost[k:stop] - tree.potential[tail[k:stop]] + tree.potential[head[k:stop]]
        e = int(reduced.argmin())
        found = k + e if reduced[e] < -tolerance else -1
        seen += stop - k
        k = stop if stop < cost.size else 0
    return found, k


@kernel(twin=_entering)
def entering(tree, tail, head, cost, k, block, tolerance):
    """The most negative reduced cost of the first block with any below ``-tolerance``, from arc ``k`` on.

    Returns (arc or -1, where to go on).  Small blocks in row order keep pivots local and cycles short;
    larger ones need about as many pivots and longer walks.
    """
    potential = tree.potential
    seen, found = 0, np.int64(-1)
    while found < 0 and seen < cost.size:
        stop = min(k + block, cost.size)
        lowest = -tolerance
        for e in range(index(k), index(stop)):
            reduced = cost[e] - potential[tail[e]] + potential[head[e]]
            if reduced < lowest:
                lowest, found = reduced, np.int64(e)
        seen += stop - k
        k = stop if stop < cost.size else 0
    return found, k


@kernel
def climb(tree, v, w, residual):
    """Climb from ``v`` to the first node above ``w``.

    Returns that node, the node on the way whose arc has the least ``residual``, and the difference of
    potentials as an unrounded pair.
    """
    leaving, high, low = v, 0.0, 0.0
    target = index(tree.place[w])
    while target - tree.place[v] >= tree.size[v]:  # far more than all, where w stands before v
        if residual[v] < residual[leaving]:
            leaving = v
        high, e = two_sum(high, tree.rise[v])
        low += e
        v = tree.parent[v]
    return v, leaving, high, low


@kernel
def push(tree, v, join, amount):
    """Send ``amount`` from ``v`` up to ``join``."""
    while v != join:
        tree.up[v] -= amount
        tree.down[v] += amount
        v = tree.parent[v]


def _rehang(tree, q, u, v, join, link, shift, buffer):
    size, order, place = tree.size, tree.order, tree.place
    T, s = int(size[q]), int(place[q])
    e = s + T
    first = int(place[v]) + 1
    last = first - 1 + int(size[v])
    spot = first if max(s - first, first - e) <= max(s - last, last - e) else last
    for w, grown in ((tree.parent[q], -T), (v, T)):
        while w != join:
            size[w] = int(size[w]) + grown
            w = tree.parent[w]
    _turn(tree, q, u, v, link, buffer)
    if spot < s:
        order[spot + T : e] = order[spot:s].copy()
        place[order[spot + T : e]] = np.arange(spot + T, e)
    elif spot > e:
        order[s : spot - T] = order[e:spot].copy()
        place[order[s : spot - T]] = np.arange(s, spot - T)
    spot -= T if spot >= e else 0
    order[spot : spot + T] = buffer[:T]
    place[buffer[:T]] = np.arange(spot, spot + T)
    tree.potential[buffer[:T]] += shift


@kernel(twin=_rehang)
def rehang(tree, q, u, v, join, link, shift, buffer):
    """Cut the subtree of ``q``, turn it to hang from its node ``u``, and hang it below ``v`` by the arc ``link``."""
    size, order, place = tree.size, tree.order, tree.place
    T, s = np.int64(size[q]), np.int64(place[q])
    e = s + T
    # Right after v or at the end of its subtree: the nearer spot moves fewer nodes.
    first = np.int64(place[v]) + 1
    last = first - 1 + size[v]
    spot = first if max(s - first, first - e) <= max(s - last, last - e) else last
    w = tree.parent[q]
    while w != join:
        size[w] -= T
        w = tree.parent[w]
    w = v
    while w != join:
        size[w] += T
        w = tree.parent[w]
    turn(tree, q, u, v, link, buffer)
    for t in range(s - 1, spot - 1, -1):  # the nodes between move right ...
        w = order[index(t)]
        order[index(t + T)], place[w] = w, t + T
    for t in range(e, spot):  # ... or left; one of the two loops is empty
        w = order[index(t)]
        order[index(t - T)], place[w] = w, t - T
    spot -= T if spot >= e else 0
    for t in range(T):
        w = buffer[t]
        order[index(spot + t)], place[w] = w, spot + t
        tree.potential[w] += shift


@kernel(work=lambda tree, *arcs: 100 * tree.order.size)  # about a pivot a node
def pivots(tree, tail, head, cost, k, limit, slack, gone):
    """Pivot until no arc violates its dual constraint by more than ``slack``, or ``limit`` pivots are done.

    Parameters
    ----------
    tree : Tree with residuals that are nowhere zero; changed in place, potentials included
    tail, head, cost : (K,) the arcs; nodes as the tree has them
    k : where the search for an arc starts, 0 or what the previous call returned
    slack : 0, or what the rises of the tree may be wrong by
    gone : where tree arcs have negative names ``-1 - v``: receives at v whether the arc left full upwards
        (1) or downwards (-1), as it stood when it was stored at v

    Returns
    -------
    (pivots done, next k, whether the tree is optimal for these arcs)
    """
    block = max(16, int(np.sqrt(cost.size)))
    buffer = np.empty(tree.order.size, NODE)
    tolerance, fresh, done = max(refresh(tree), slack), True, 0
    while done < limit:
        arc, k = entering(tree, tail, head, cost, k, block, tolerance)
        if arc >= 0:
            u, v = tail[arc], head[arc]
            join, p, f, f_low = climb(tree, u, v, tree.down)  # the cycle runs up from v and down to u
            _, q, h, h_low = climb(tree, v, u, tree.up)
            s, e = two_sum(cost[arc], -f)
            s, e_h = two_sum(s, h)
            reduced = s + (((e + e_h) - f_low) + h_low)  # round the cycle in double-double: the true sign
        if arc < 0 or reduced >= -slack:  # none left, or a false alarm: the shifts have drifted
            if fresh:
                return done, k, True
            tolerance, fresh = max(refresh(tree), slack), True
            continue
        fresh, done = False, done + 1
        on_u = p != join and (q == join or tree.down[p] < tree.up[q])
        amount = tree.down[p] if on_u else tree.up[q]
        push(tree, u, join, -amount)
        push(tree, v, join, amount)
        out = p if on_u else q
        name, moved = -1 - tree.edge[out], tree.size[out]
        if name >= 0:
            gone[name] = 1 if (tree.up[out] == 0) == (name == out) else -1
        if on_u:
            rehang(tree, p, u, v, join, (FREE, amount, arc, cost[arc]), reduced, buffer)
        else:
            rehang(tree, q, v, u, join, (amount, FREE, arc, -cost[arc]), -reduced, buffer)
        if moved > LOPSIDED * tree.order.size:
            centre(tree, buffer)
    return done, k, False
