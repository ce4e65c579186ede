"""Pivots on a contracted tree are pivots of the tree: flows, potentials and slices stay right."""

from __future__ import annotations

import numpy as np
import pytest
from trees import check_tree, flow_on, orden, planted, random_masses

from otcore._kernels import contraction, simplex
from otcore.engines.blocks import Net, settle
from otcore.engines.pricing import Arcs


def instance(rng, n, m):
    a, b = orden(*random_masses(rng, n, m))
    M = rng.integers(0, 9, (n, m)).astype(float)
    tree = planted(M, a, b)
    simplex.refresh(tree)
    return M, a, b, tree


def path(tree, v, w):
    """The nodes from v up to its ancestor w, without w."""
    nodes = []
    while v != w:
        nodes.append(v)
        v = tree.parent[v]
    return nodes


@pytest.mark.parametrize("seed", range(20))
def test_contracted_arcs_are_whole_paths(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 40, 2)
    _, _, _, tree = instance(rng, n, m)
    nodes = rng.integers(0, n + m, 2 * rng.integers(1, n + m)).astype(simplex.NODE)
    label = np.full(n + m, simplex.NONE)
    small, node = contraction.contract(tree, *np.array_split(nodes, 2), np.arange(nodes.size // 2), label)
    assert set(nodes) <= set(node) and node.size < 2 * np.unique(nodes).size
    assert np.array_equal(label[node], np.arange(node.size)) and (label != simplex.NONE).sum() == node.size
    assert small.parent[0] == simplex.NONE and small.size[0] == node.size
    for k in range(1, node.size):
        way = path(tree, node[k], node[small.parent[k]])
        assert not set(way[1:]) & set(node)
        assert small.up[k] == tree.up[way].min() and small.down[k] == tree.down[way].min()
        assert small.rise[k] == tree.rise[way].sum()  # integers: no rounding
        assert set(small.order[k : k + small.size[k]]) == {v for v in range(node.size) if k in path_up(small, v)}


def path_up(tree, v):
    return [*path(tree, v, tree.order[0]), tree.order[0]]


@pytest.mark.parametrize("seed", range(30))
def test_pivots_among_some_rows_leave_a_feasible_tree_of_lower_cost(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(4, 60, 2)
    M, a, b, tree = instance(rng, n, m)
    i, j = np.indices((n, m)).reshape(2, -1)
    net = Net.of(tree, Arcs(i, j, M.ravel()), n)
    value = before = np.inf
    for _ in range(3):
        rows = np.flatnonzero(rng.random(n) < 0.5)
        if not rows.size:
            continue
        arcs, start = contraction.arcs_of(net.start, rows)
        assert np.array_equal(arcs, (m * rows[:, None] + np.arange(m)).ravel()) and (np.diff(start) == m).all()
        label = np.full(n + m, simplex.NONE)
        small, node = contraction.contract(tree, net.tail, net.head, arcs, label)
        tail, head, cost = contraction.taken(label, net.tail, net.head, net.cost, arcs)
        assert np.array_equal(node[tail], net.tail[arcs]) and np.array_equal(node[head], net.head[arcs])
        residuals, lost = (small.up.copy(), small.down.copy()), np.zeros(node.size, np.int64)
        _, _, optimal = simplex.pivots(small, tail, head, cost, 0, 10**9, 0.0, lost)
        contraction.expand(tree, net.gone, small, residuals, lost, node, label, arcs)
        contraction.thread(tree)
        simplex.refresh(tree)
        assert optimal
        check_tree(n, tree)
        flow = flow_on(n, tree)
        assert np.array_equal(flow, simplex.tree_flow(n, tree, a, b)) and np.delete(flow, tree.order[0]).min() > 0
        below = tree.order[1:]
        r, c = np.minimum(below, tree.parent[below]), np.maximum(below, tree.parent[below]) - n
        assert np.array_equal(M[r, c], tree.potential[r] - tree.potential[n + c])
        slack = M[rows] - tree.potential[rows, None] + tree.potential[n:]
        assert slack.min() == 0  # optimal among these rows
        value = int(flow[below] @ M[r, c])
        assert value <= before
        before = value


@pytest.mark.parametrize("seed", range(4))
def test_blocks_within_blocks_end_at_the_optimum(seed, monkeypatch):
    from otcore.engines import blocks

    monkeypatch.setattr(blocks, "BLOCK", 6)
    monkeypatch.setattr(blocks, "BORDER", 9)
    monkeypatch.setattr(blocks, "FAN", 3)
    monkeypatch.setattr(blocks, "ROUND", 0)
    monkeypatch.setattr(blocks, "PAYS", 0)
    rng = np.random.default_rng(seed)
    n, m = 90, 110
    M, a, b, tree = instance(rng, n, m)
    other = planted(M, a, b)
    i, j = np.indices((n, m)).reshape(2, -1)
    arcs = Arcs(i, j, M.ravel())
    assert settle(Net.of(tree, arcs, n), 0.0, None, np.inf) > n
    check_tree(n, tree)
    done, _, optimal = simplex.pivots(tree, *arcs.nodes(n), M.ravel(), 0, 10**9, 0.0, np.empty(0, np.int64))
    assert optimal and done == 0
    simplex.pivots(other, *arcs.nodes(n), M.ravel(), 0, 10**9, 0.0, np.empty(0, np.int64))
    masses = a // (n + 1), b // (n + 1)
    assert cost_of(n, tree, *masses) == cost_of(n, other, *masses)


def cost_of(n, tree, a, b):
    rise = np.where(np.arange(tree.order.size) < n, tree.rise, -tree.rise)
    below = tree.order[1:]
    return int(simplex.tree_flow(n, tree, a, b)[below] @ rise[below])
