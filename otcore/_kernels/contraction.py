"""A network simplex on a few nodes of a large tree: whole paths become single arcs.

To pivot among the nodes of a set S, what lies outside matters only through the tree paths that join S.  Each such
path becomes one arc with the sum of its rises and the least of its residuals either way; with the branchings between
them that is a tree of fewer than 2 |S| nodes, and the pivots on it are exactly pivots of the large tree.  If a path
leaves the basis, the arc of it that is full leaves the large tree.
"""

from __future__ import annotations

import numpy as np

from otcore._kernels._kernel import kernel
from otcore._kernels.simplex import FREE, NODE, NONE, centre, empty_tree, relink
from otcore._kernels.sums import two_sum

PASSED = NODE(NONE - 1)  # the label of a node inside a path, while joints are looked for


@kernel
def arcs_of(start, rows):
    """The positions of the arcs of some rows, row by row, and where those of each begin.

    Those of row r are ``start[r] .. start[r + 1] - 1``.
    """
    begin = np.zeros(rows.size + 1, np.int64)
    for k in range(rows.size):
        begin[k + 1] = begin[k] + start[rows[k] + 1] - start[rows[k]]
    out = np.empty(begin[-1], np.int64)
    for k in range(rows.size):
        for t in range(begin[k + 1] - begin[k]):
            out[begin[k] + t] = start[rows[k]] + t
    return out, begin


@kernel
def contract(tree, tail, head, arcs, label):
    """The tree of the paths that join the ends of some arcs; of ``tree`` only the parents and their arcs are read.

    ``label``, filled with NONE, receives the small node of each node that is one.

    Returns
    -------
    (small tree, the node of each of its nodes); the arc stored at small node v, the path from there to the next
    small node above, is named ``-1 - v``.
    """
    joint = np.empty(min(label.size, 4 * arcs.size), NODE)  # where paths end or meet
    count = 0
    for ends in (tail, head):
        for e in arcs:
            v = ends[e]
            before = label[v]
            if before in (NONE, PASSED):
                label[v], joint[count] = count, v
                count += 1
            if before == NONE:
                v = tree.parent[v]
                while v != NONE and label[v] == NONE:
                    label[v] = PASSED
                    v = tree.parent[v]
                if v != NONE and label[v] == PASSED:
                    label[v], joint[count] = count, v
                    count += 1

    above, up, down, rise = np.full(count, NONE), np.full(count, FREE), np.full(count, FREE), np.empty(count)
    for k in range(count):
        v, high, low = joint[k], 0.0, 0.0
        while v != NONE and above[k] == NONE:
            up[k], down[k] = min(up[k], tree.up[v]), min(down[k], tree.down[v])
            high, e = two_sum(high, tree.rise[v])
            low += e
            v = tree.parent[v]
            if v != NONE and label[v] == PASSED:
                label[v] = NONE
            elif v != NONE:
                above[k] = label[v]
        rise[k] = high + low

    small, node, order = empty_tree(count), np.empty(count, NODE), np.empty(count, NODE)
    preorder(above, order)
    for t in range(count):
        k = order[t]
        v = joint[k]
        label[v], node[t] = t, v
        small.order[t] = small.place[t] = t
        small.edge[t] = -1 - t
        if t > 0:
            small.parent[t] = label[joint[above[k]]]
            small.up[t], small.down[t], small.rise[t] = up[k], down[k], rise[k]
    for t in range(count - 1, 0, -1):
        small.size[small.parent[t]] += small.size[t]
    return small, node


@kernel
def taken(label, tail, head, cost, arcs):
    """Some arcs between the nodes of a contracted tree: their tails, heads and costs."""
    out_tail, out_head, out_cost = np.empty(arcs.size, NODE), np.empty(arcs.size, NODE), np.empty(arcs.size)
    for k in range(arcs.size):
        e = arcs[k]
        out_tail[k], out_head[k], out_cost[k] = label[tail[e]], label[head[e]], cost[e]
    return out_tail, out_head, out_cost


@kernel
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


@kernel
def preorder(parent, order):
    """Write the nodes to ``order``: each before all that hangs from it, and that without a break."""
    N = parent.size
    child, sibling = np.full(N, NONE), np.full(N, NONE)
    v = NONE
    for u in range(N - 1, -1, -1):
        p = parent[u]
        if p == NONE:
            v = NODE(u)  # the root
        else:
            sibling[u], child[p] = child[p], u
    for t in range(N):
        order[t] = v
        if child[v] != NONE:
            v = child[v]
            continue
        while v != NONE and sibling[v] == NONE:
            v = parent[v]
        v = sibling[v] if v != NONE else NONE


@kernel
def thread(tree):
    """Order, places and sizes of a tree of which only the parents are known, hung from its centroid."""
    N = tree.parent.size
    preorder(tree.parent, tree.order)
    for t in range(N):
        v = tree.order[t]
        tree.place[v], tree.size[v] = t, 1
    for t in range(N - 1, 0, -1):
        v = tree.order[t]
        tree.size[tree.parent[v]] += tree.size[v]
    centre(tree, np.empty(N, NODE))


@kernel
def violating(tree, start, tail, head, cost, tolerance, near, out):
    """Mark in ``out`` the rows within ``near`` of one that has an arc of reduced cost below ``-tolerance``."""
    potential, n = tree.potential, start.size - 1
    out[:] = False
    for r in range(n):
        for e in range(start[r], start[r + 1]):
            if cost[e] - potential[tail[e]] + potential[head[e]] < -tolerance:
                out[max(0, r - near) : r + near + 1] = True
                break
