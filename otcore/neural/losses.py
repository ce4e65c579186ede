"""What a critic maximises."""

from __future__ import annotations

from torch import Tensor

__all__ = ["dual_value"]


def dual_value(u_x: Tensor, u_y: Tensor) -> Tensor:
    """The Kantorovich-Rubinstein objective ``E_P u - E_Q u`` on samples.  [Villani 2003, 1.2]

    Parameters
    ----------
    u_x, u_y : (n,) and (m,) tensors, values of one critic at samples of P and of Q

    Returns
    -------
    Tensor, a scalar in units of length: at most W1 in expectation where u is 1-Lipschitz.
    """
    return u_x.mean() - u_y.mean()
