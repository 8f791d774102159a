"""Rewritings of graphs."""
