"""Averages of a cost over cells of rows."""

from __future__ import annotations

import naive
import numpy as np

from otcore._kernels.averages import add_rows


def test_sums_over_cells_are_what_their_definition_says():
    rng = np.random.default_rng(0)
    M, cell, share = rng.random((13, 17)), rng.integers(0, 3, 13), rng.random(13)
    out = np.zeros((3, 17))
    add_rows(M[:5], cell[:5], share[:5], out)
    add_rows(M[5:], cell[5:], share[5:], out)
    np.testing.assert_allclose(out, naive.cell_sums(M, cell, share), rtol=1e-13)
