"""Weights of the official releases, into our modules."""

from scanwise.interop.geopurify import load_geopurify
from scanwise.interop.less import load_less
from scanwise.interop.sonata import load_sonata
from scanwise.interop.stellar import load_stellar

__all__ = ["load_geopurify", "load_less", "load_sonata", "load_stellar"]
