"""GeoPurify (arXiv 2510.02186): which voxels belong together, learned without labels, to clean lifted 2D features.

from scanwise.methods.geopurify import GeoPurify, GeoPurifyRecipe, load_student
"""

from typing import TYPE_CHECKING

from scanwise.lazy import lazily

if TYPE_CHECKING:
    from scanwise.methods.geopurify.model import GeoPurify, Student, load_student
    from scanwise.methods.geopurify.official import load_geopurify
    from scanwise.methods.geopurify.recipe import GeoPurifyRecipe

__all__ = ["GeoPurify", "GeoPurifyRecipe", "Student", "load_geopurify", "load_student"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "GeoPurify": "scanwise.methods.geopurify.model",
        "GeoPurifyRecipe": "scanwise.methods.geopurify.recipe",
        "Student": "scanwise.methods.geopurify.model",
        "load_geopurify": "scanwise.methods.geopurify.official",
        "load_student": "scanwise.methods.geopurify.model",
    },
)
