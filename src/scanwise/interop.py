"""Weights of the official releases, into our modules: `load_sonata`, `load_stellar`, `load_less`, `load_geopurify`."""

from typing import TYPE_CHECKING

from scanwise.lazy import lazily

if TYPE_CHECKING:
    from scanwise.methods.geopurify.official import load_geopurify
    from scanwise.methods.less.official import load_less
    from scanwise.methods.stellar.official import load_stellar
    from scanwise.nn.sonata import load_sonata

__all__ = ["load_geopurify", "load_less", "load_sonata", "load_stellar"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "load_geopurify": "scanwise.methods.geopurify.official",
        "load_less": "scanwise.methods.less.official",
        "load_sonata": "scanwise.nn.sonata",
        "load_stellar": "scanwise.methods.stellar.official",
    },
)
