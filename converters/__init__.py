"""Weights and models between torch, torchcompat, Flax and files."""
