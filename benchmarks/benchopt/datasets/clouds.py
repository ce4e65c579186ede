"""Normal samples in the plane, one more on one side, as in the public benchmark."""

from __future__ import annotations

import numpy as np
from benchopt import BaseDataset


class Dataset(BaseDataset):
    """n points against n + 1, equal weights."""

    name = "Clouds"
    parameters = {"n_samples": [200, 1000], "random_state": [27]}
    test_parameters = {"n_samples": [20], "random_state": [27]}

    def get_data(self):
        rng, n = np.random.default_rng(self.random_state), self.n_samples
        x, y = rng.normal(size=(n, 2)), rng.normal(size=(n + 1, 2)) @ np.array([[1.0, 0.8], [0.8, 1.0]]) + 10.0
        return {"x": x, "a": np.full(n, 1 / n), "y": y, "b": np.full(n + 1, 1 / (n + 1))}
