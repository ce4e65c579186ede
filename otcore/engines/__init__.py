"""What several solvers share: the exact engine, and whether a forbidden pattern can be met at all."""
