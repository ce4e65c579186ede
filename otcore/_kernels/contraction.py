"""A network simplex on a few nodes of a large tree: whole paths become single arcs.

To pivot among the nodes of a set S, what lies outside matters only through the tree paths that join S.  Each such
path becomes one arc with the sum of its rises and the least of its residuals either way; with the branchings between
them that is a tree of fewer than 2 |S| nodes, and the pivots on it are exactly pivots of the large tree.  If a path
leaves the basis, the arc of it that is full leaves the large tree.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from otcore._kernels.simplex import FREE, NODE, NONE, centre, empty_tree, relink


@njit(cache=True, nogil=True)
def arcs_of(start, rows):
    """The positions of the arcs of some rows, row by row; those of row r are ``start[r] .. start[r + 1] - 1``."""
    count = 0
    for r in rows:
        count += start[r + 1] - start[r]
    out = np.empty(count, np.int64)
    k = 0
    for r in rows:
        for e in range(start[r], start[r + 1]):
            out[k] = e
            k += 1
    return out


@njit(cache=True, nogil=True)
def contract(tree, nodes):
    """The tree of the paths that join ``nodes`` (repeated ones are fine).

    Returns
    -------
    (small tree, the node of each of its nodes, the small node of each node or NONE); the arc stored at small
    node v, the path from there to the next small node above, is named ``-1 - v``.
    """
    N = tree.order.size
    label = np.full(N, NONE)
    hook, branches = np.full(N, NONE), np.zeros(N, np.int64)
    for v in nodes:
        label[v] = 0
    count = 0
    for t in range(N - 1, -1, -1):
        v = tree.order[t]
        if label[v] == 0 or branches[v] >= 2:
            hook[v], label[v] = v, 0
            count += 1
        if t > 0 and hook[v] != NONE:
            p = tree.parent[v]
            branches[p] += 1
            hook[p] = hook[v]

    small, node = empty_tree(count), np.empty(count, NODE)
    above, up, down = hook, np.full(N, FREE), np.full(N, FREE)  # the small node above, the least residuals up to it
    k = 0
    for t in range(N):
        v = tree.order[t]
        p = tree.parent[v]
        if p != NONE and k > 0:
            joint = label[p] != NONE
            above[v] = label[p] if joint else above[p]
            up[v] = tree.up[v] if joint else min(tree.up[v], up[p])
            down[v] = tree.down[v] if joint else min(tree.down[v], down[p])
        if label[v] != NONE:
            label[v], node[k] = k, v
            small.order[k] = small.place[k] = k
            small.edge[k] = -1 - k
            if k > 0:
                small.parent[k] = above[v]
                small.up[k], small.down[k] = up[v], down[v]
                small.rise[k] = tree.potential[v] - tree.potential[node[above[v]]]
            k += 1
    for v in range(count - 1, 0, -1):
        small.size[small.parent[v]] += small.size[v]
    return small, node, label


@njit(cache=True, nogil=True)
def expand(tree, gone, small, before, lost, node, label, arcs):
    """Carry the pivots of the small tree over to the large one.

    Parameters
    ----------
    tree, gone : the large tree, and its own record of lost paths; changed in place
    small : what the pivots made of the small tree
    before : (up, down), residuals of its paths as they were contracted
    lost : which paths left, full upwards (1) or downwards (-1), as ``simplex.pivots`` recorded it
    node, label : see :func:`contract`
    arcs : the large tree's names of the arcs that have entered
    """
    up, down = before
    pushed = np.zeros(node.size, np.int64)
    for k in range(1, node.size):
        pushed[k] = up[k] if lost[k] > 0 else -down[k]
    for v in range(node.size):
        k = -1 - small.edge[v]
        if small.parent[v] != NONE and k >= 0:
            pushed[k] = up[k] - (small.up[v] if v == k else small.down[v])

    cut = np.empty(node.size, NODE)
    cuts = 0
    for k in range(1, node.size):
        w = node[k]
        while True:
            tree.up[w] -= pushed[k]
            tree.down[w] += pushed[k]
            if lost[k] != 0 and (tree.up[w] == 0 or tree.down[w] == 0):
                cut[cuts] = w
                cuts += 1
                name = -1 - tree.edge[w]
                if name >= 0:
                    gone[name] = 1 if (tree.up[w] == 0) == (name == w) else -1
            w = tree.parent[w]
            if label[w] != NONE:
                break
    for k in range(cuts):
        tree.parent[cut[k]] = NONE
    for v in range(node.size):  # each piece is entered once: turn it to hang from there
        if small.parent[v] != NONE and small.edge[v] >= 0:
            w, above = node[v], node[small.parent[v]]
            link = (small.up[v], small.down[v], arcs[small.edge[v]], small.rise[v])
            while w != NONE:
                next_up = tree.parent[w]
                link = relink(tree, w, above, link)
                w, above = next_up, w


@njit(cache=True, nogil=True)
def thread(tree):
    """Order, places and sizes of a tree of which only the parents are known, hung from its centroid."""
    N = tree.parent.size
    child, sibling = np.full(N, NONE), np.full(N, NONE)
    v = NONE
    for u in range(N - 1, -1, -1):
        p = tree.parent[u]
        if p == NONE:
            v = NODE(u)  # the root
        else:
            sibling[u], child[p] = child[p], u
    for t in range(N):
        tree.order[t], tree.place[v], tree.size[v] = v, t, 1
        if child[v] != NONE:
            v = child[v]
            continue
        while v != NONE and sibling[v] == NONE:
            v = tree.parent[v]
        v = sibling[v] if v != NONE else NONE
    for t in range(N - 1, 0, -1):
        v = tree.order[t]
        tree.size[tree.parent[v]] += tree.size[v]
    centre(tree, child)


@njit(cache=True, nogil=True)
def violating(tree, start, tail, head, cost, tolerance, near, out):
    """Mark in ``out`` the rows within ``near`` of one that has an arc of reduced cost below ``-tolerance``."""
    potential, n = tree.potential, start.size - 1
    out[:] = False
    for r in range(n):
        for e in range(start[r], start[r + 1]):
            if cost[e] - potential[tail[e]] + potential[head[e]] < -tolerance:
                out[max(0, r - near) : r + near + 1] = True
                break
