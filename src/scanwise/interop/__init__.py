"""Weights of the official releases, into our modules."""

from scanwise.interop.sonata import load_sonata

__all__ = ["load_sonata"]
