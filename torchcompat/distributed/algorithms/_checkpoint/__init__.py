"""Activation checkpointing of wrapped modules: names for imports."""
