"""One full Sinkhorn iteration in scaling form: exponentials once, then one read of a kernel and products an iteration.

The kernel holds ``K_ij = 2**(F_i + G_j - factor M_ij)`` for exponents F and G that have been absorbed into it; the plan
is ``u_i K_ij v_j`` with scalings near one.  Four rows are summed, answered, and, still in cache, added to the column
sums.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from otcore._kernels.exp2 import exp2
from otcore._kernels.sinkhorn import HUGE, TINY
from otcore._kernels.sums import fma

__all__ = ["absorb", "scaled_pass"]

LANES = 16  # with four rows 64 sums: they stay in registers, and vector units are kept busy


@njit(cache=True, nogil=True)
def absorb(M, factor, F, G, K):
    """``K_ij = 2**(F_i + G_j - factor M_ij)``; M (n, m), inf allowed."""
    for i in range(M.shape[0]):
        cost, k, top = M[i], K[i], F[i]
        for j in range(cost.size):
            k[j] = exp2(fma(-factor, cost[j], top + G[j]))


@njit(cache=True, nogil=True)
def products(k0, k1, k2, k3, v):
    """Four rows times one column, each in LANES interleaved sums."""
    whole = v.size - v.size % LANES
    lanes = np.zeros((4, LANES))
    l0, l1, l2, l3 = lanes[0], lanes[1], lanes[2], lanes[3]
    for j in range(0, whole, LANES):
        for t in range(LANES):
            l0[t] = fma(k0[j + t], v[j + t], l0[t])
            l1[t] = fma(k1[j + t], v[j + t], l1[t])
            l2[t] = fma(k2[j + t], v[j + t], l2[t])
            l3[t] = fma(k3[j + t], v[j + t], l3[t])
    for j in range(whole, v.size):
        l0[0] = fma(k0[j], v[j], l0[0])
        l1[0] = fma(k1[j], v[j], l1[0])
        l2[0] = fma(k2[j], v[j], l2[0])
        l3[0] = fma(k3[j], v[j], l3[0])
    return l0.sum(), l1.sum(), l2.sum(), l3.sum()


@njit(cache=True, nogil=True)
def answered(u, i, s, a, omega):
    """Row i answers its sum ``u_i s``: how far it was off, or nan where that is no sum of full precision."""
    if i >= u.size:  # fewer than four rows are left
        return 0.0, 0.0
    total = u[i] * s
    if not (TINY < s < HUGE and TINY < total < HUGE):
        return np.nan, 0.0
    ratio = a[i] / total
    u[i] *= ratio if omega == 1.0 else ratio**omega
    return abs(total - a[i]), u[i]


@njit(cache=True, nogil=True)
def scaled_pass(K, u, v, a, omega, w):
    """Rows answer their sums, ``u_i *= (a_i / u_i s_i)**omega``, in place; ``w_j`` becomes ``sum_i u_i K_ij``.

    Parameters
    ----------
    K : (n, m) kernel; u, v : (n,) and (m,) scalings; a : (n,) row sums wanted, positive

    Returns
    -------
    float: ``sum_i |u_i s_i - a_i|`` before the update; nan where a row sum is out of range, and u and w no good
    """
    n = K.shape[0]
    w[:] = 0.0
    error = 0.0
    for i in range(0, n, 4):
        k0, k1, k2, k3 = K[i], K[min(i + 1, n - 1)], K[min(i + 2, n - 1)], K[min(i + 3, n - 1)]
        s0, s1, s2, s3 = products(k0, k1, k2, k3, v)
        e0, r0 = answered(u, i, s0, a, omega)
        e1, r1 = answered(u, i + 1, s1, a, omega)
        e2, r2 = answered(u, i + 2, s2, a, omega)
        e3, r3 = answered(u, i + 3, s3, a, omega)
        error += (e0 + e1) + (e2 + e3)
        for j in range(w.size):
            w[j] += fma(r0, k0[j], r1 * k1[j]) + fma(r2, k2[j], r3 * k3[j])
    return error
