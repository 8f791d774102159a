"""Functionals written by hand: they draw random numbers, write buffers or choose among ops."""
