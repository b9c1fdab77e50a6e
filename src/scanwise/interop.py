"""Weights of the official releases, into our modules."""

from scanwise.methods.geopurify.official import load_geopurify
from scanwise.methods.less.official import load_less
from scanwise.methods.stellar.official import load_stellar
from scanwise.nn.sonata import load_sonata

__all__ = ["load_geopurify", "load_less", "load_sonata", "load_stellar"]
