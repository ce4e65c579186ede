"""Numba kernels: arrays in, arrays out; they know no class and no kernel above them knows a certificate.

Importing a module of this package imports numba, so callers import it inside the function that runs it.
"""
