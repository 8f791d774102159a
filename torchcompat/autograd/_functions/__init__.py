"""`autograd._functions`: what is left of torch's older functions."""
