"""The heart: candidates go in, feasible plans and potentials with rigorous bounds come out."""
