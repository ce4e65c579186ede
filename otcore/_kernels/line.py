"""The line: sweeps, monotone minima and the staircase, on points that stand in order.

No fast-math: every comparison below is either exact or pays for its error.
"""

from __future__ import annotations

import numpy as np

from otcore._kernels._kernel import kernel, linear
from otcore._kernels.sums import dd_add, dd_mul, two_sum


@kernel(inline="always")
def power(d, law, p):
    """``d ** p`` for d >= 0, by the operations of ``costs.line.POWERS``; ``law`` is 2 p, or 0 for libm's pow."""
    if law == 2:
        return d
    if law == 4:
        return d * d
    if law == 6:
        return d * d * d
    if law == 3:
        return d * np.sqrt(d)
    if law == 5:
        return d * d * np.sqrt(d)
    if law == 8:
        return (d * d) * (d * d)
    return d**p


@kernel(inline="always")
def _less(s, e, t, r):
    """``s + e < t + r`` for pairs as ``two_sum`` leaves them: s = fl(s + e), so the order is lexicographic."""
    return s < t or (s == t and e < r)


@kernel
def _down(s, e):
    """Largest float known to be <= s + e, a pair as ``two_sum`` leaves it."""
    return np.nextafter(s, -np.inf) if e < 0.0 else s


@kernel
def _minus_down(x, s, e):
    """``x - (s + e)`` rounded down, exact where that is a float.

    The error terms q and r are of size u and u^2 beside the result unless it cancels, and where it
    cancels ``x - s`` is exact [Sterbenz], so that r = 0: the sign of q + r decides the rounding.
    """
    d, c = two_sum(x, -s)
    c, r = two_sum(c, -e)
    d, q = two_sum(d, c)
    return _down(d, q + r)


@kernel(work=linear)
def distances_up(x, y, i, j, out):
    """``out[k] = |x[i[k]] - y[j[k]]|`` rounded up, exact where that is a float."""
    for k in range(i.size):
        s, e = two_sum(x[i[k]], -y[j[k]])
        up = e > 0.0 if s > 0.0 else e < 0.0
        out[k] = np.nextafter(abs(s), np.inf) if up else abs(s)


@kernel(work=linear)
def sweep_minima(s, h, t, out):
    """``out[j] = min_i |s_i - t_j| - h_i`` rounded down once; s (n,) and t (m,) ascending.

    From the left ``t_j - max_{s_i <= t_j} (s_i + h_i)``, from the right ``min_{s_i > t_j} (s_i - h_i) - t_j``:
    two running extrema of unrounded pairs, so that every decision is exact.
    """
    n, m = s.size, t.size
    i, top, top_e = 0, -np.inf, 0.0
    for j in range(m):
        while i < n and s[i] <= t[j]:
            v, e = two_sum(s[i], h[i])
            if _less(top, top_e, v, e):
                top, top_e = v, e
            i += 1
        out[j] = _minus_down(t[j], top, top_e) if i > 0 else np.inf
    i, low, low_e = n - 1, np.inf, 0.0
    for j in range(m - 1, -1, -1):
        while i >= 0 and s[i] > t[j]:
            v, e = two_sum(s[i], -h[i])
            if _less(v, e, low, low_e):
                low, low_e = v, e
            i -= 1
        if i < n - 1:
            # low - t = -(t - low), but rounded down: -t - (-low)
            out[j] = min(out[j], _minus_down(-t[j], -low, -low_e))


@kernel
def _scan(s, h, y, first, last, law, p, units, bracket):
    """The best i of ``first..last`` for the target y, and what its choice may cost the excluded ones.

    The real value ``M_i - h_i`` lies in [L_i, U_i], two unrounded pairs.  Returns the index k of the least U,
    the least L, and by how much U_k may exceed the least L left of k and right of k.
    """
    shrink, grow, eta = bracket
    k, best, best_e = first, np.inf, 0.0
    own, own_e, left, left_e, right, right_e = np.inf, 0.0, np.inf, 0.0, np.inf, 0.0
    for i in range(first, last + 1):
        c = power(abs(s[i] - y), law, p) * units[0] * units[1]
        low = max(0.0, c * shrink - eta)
        if low - h[i] > best:  # L_i > U_k: neither the minimum nor near it
            continue
        v, e = two_sum(low, -h[i])
        w, r = two_sum(c * grow + eta, -h[i])
        if _less(w, r, best, best_e):  # all that came before now stands on the left
            if _less(right, right_e, left, left_e):
                left, left_e = right, right_e
            if _less(own, own_e, left, left_e):
                left, left_e = own, own_e
            right, right_e = np.inf, 0.0
            k, best, best_e, own, own_e = i, w, r, v, e
        elif _less(v, e, right, right_e):
            right, right_e = v, e
    lost_left, lost_right = _excess(best, best_e, left, left_e), _excess(best, best_e, right, right_e)
    if _less(left, left_e, own, own_e):
        own, own_e = left, left_e
    if _less(right, right_e, own, own_e):
        own, own_e = right, right_e
    return k, own, own_e, lost_left, lost_right


@kernel
def _excess(s, e, t, r):
    """``max(0, (s + e) - (t + r))`` rounded up."""
    if not _less(t, r, s, e):
        return 0.0
    a, b = s - t, e - r
    return (a + b) + 2.0**-50 * (a + abs(b))


@kernel(work=linear)
def monge_minima(s, h, t, law, p, units, bracket, out):
    """``out[j] <= min_i M_ij - h_i`` for M = |s_i - t_j|^p, p >= 1, within a proved loss; O((n + m) log m).

    M is Monge on ascending s (n,) and t (m,), so the minimiser moves one way: the middle column splits the
    rows for the columns on either side of it [Aggarwal et al. 1987, sec. 1].  ``costs.line`` has the proof
    that the loss stated by :func:`_scan`, summed on the way down, covers wrong decisions.
    """
    n, m = s.size, t.size
    floor = 0.0 - np.max(h)  # M >= 0
    ranges = np.empty((2 * 64, 4), np.int64)  # depth <= log2 m + 1, two halves a level
    slacks = np.empty(2 * 64)
    ranges[0, 0], ranges[0, 1], ranges[0, 2], ranges[0, 3] = 0, m, 0, n - 1
    slacks[0] = 0.0
    top = 1
    while top > 0:
        top -= 1
        j0, j1, i0, i1 = ranges[top, 0], ranges[top, 1], ranges[top, 2], ranges[top, 3]
        slack = slacks[top]
        j = (j0 + j1) // 2
        k, v, e, lost_left, lost_right = _scan(s, h, t[j], i0, i1, law, p, units, bracket)
        if slack > 0.0:
            v, e = two_sum(v, np.nextafter(e - slack, -np.inf))
        out[j] = max(_down(v, e), floor)
        grow = 1.0 + 2.0**-51
        if j0 < j:  # columns to the left never look right of k
            ranges[top, 0], ranges[top, 1], ranges[top, 2], ranges[top, 3] = j0, j, i0, k
            slacks[top] = (slack + lost_right) * grow
            top += 1
        if j + 1 < j1:
            ranges[top, 0], ranges[top, 1], ranges[top, 2], ranges[top, 3] = j + 1, j1, k, i1
            slacks[top] = (slack + lost_left) * grow
            top += 1


@kernel
def lipschitz_on_grid(z, u, q, out):
    """Multiples of q next to u (k,) with ``|out_k - out_l| <= |z_k - z_l|`` exactly; z (k,) ascending.

    Every step between neighbours is clamped to the gap rounded down to the grid, and steps of a grid add up
    without rounding.  Needs ``max |u| <= 2^53 q``, q a power of two.
    """
    level = np.rint(u[0] / q)
    out[0] = level * q
    for k in range(1, z.size):
        gap, e = two_sum(z[k], -z[k - 1])
        step = np.floor(_down(gap, e) / q)
        level = min(max(np.rint(u[k] / q), level - step), level + step)
        out[k] = level * q


@kernel(work=linear)
def north_west(a, b, ratio, i, j, mass):
    """The monotone plan between weights a (n,) and ``b * ratio`` (m,): a staircase of n + m - 1 arcs.

    Cumulative weights are double-doubles, so that a weight of 1e-20 beside 1 still takes its place and
    equal weights tie.  A tie leaves an arc of mass 0: the arcs are a spanning tree always.
    """
    n, m = a.size, b.size
    row, column = 0, 0
    F, F_low = a[0], 0.0
    G, G_low = dd_mul(b[0], 0.0, ratio[0], ratio[1])
    level, level_low = 0.0, 0.0
    for k in range(n + m - 1):
        i[k], j[k] = row, column
        down = column == m - 1 or (row < n - 1 and _less(F, F_low, G, G_low))
        cut, cut_low = (F, F_low) if down else (G, G_low)
        mass[k] = max(0.0, dd_add(cut, cut_low, -level, -level_low)[0])
        level, level_low = cut, cut_low
        if down:
            row += 1
            if row < n:
                F, F_low = dd_add(F, F_low, a[row], 0.0)
        else:
            column += 1
            w, w_low = dd_mul(b[column], 0.0, ratio[0], ratio[1])
            G, G_low = dd_add(G, G_low, w, w_low)


@kernel(work=linear)
def staircase_potentials(i, j, c, f, g):
    """Potentials with ``f_i + g_j = c`` along a chain of arcs, each a step down or to the right of the last.

    Differences of costs are added as double-doubles: a chain of rounded ones loses n u.
    """
    f[i[0]], g[j[0]] = 0.0, c[0]
    fh, fl, gh, gl = 0.0, 0.0, c[0], 0.0
    for k in range(1, c.size):
        step, step_low = two_sum(c[k], -c[k - 1])
        if i[k] != i[k - 1]:
            fh, fl = dd_add(fh, fl, step, step_low)
            f[i[k]] = fh
        else:
            gh, gl = dd_add(gh, gl, step, step_low)
            g[j[k]] = gh


@kernel(work=linear)
def cdf_potential(x, a, y, b, ratio, f, g):
    """Kantorovich's potential ``u' = -sign(F - G)`` between the cumulative weights; f = u(x), g = -u(y).

    x (n,) and y (m,) ascending; F sums a up to a point and G sums ``b * ratio``, as double-doubles, so that
    F = G is seen, where any slope in [-1, 1] is optimal and 0 is taken.
    """
    i, j = 0, 0
    last = min(x[0], y[0])
    d, d_low, u, u_low = 0.0, 0.0, 0.0, 0.0  # F - G, and the potential
    while i < x.size or j < y.size:
        mine = j == y.size or (i < x.size and x[i] <= y[j])
        z = x[i] if mine else y[j]
        step, step_low = two_sum(z, -last)
        if d > 0.0:
            u, u_low = dd_add(u, u_low, -step, -step_low)
        elif d < 0.0:
            u, u_low = dd_add(u, u_low, step, step_low)
        last = z
        if mine:
            f[i] = u
            d, d_low = dd_add(d, d_low, a[i], 0.0)
            i += 1
        else:
            g[j] = -u
            w, w_low = dd_mul(b[j], 0.0, ratio[0], ratio[1])
            d, d_low = dd_add(d, d_low, -w, -w_low)
            j += 1
