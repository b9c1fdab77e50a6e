"""Connected components: what hangs together."""

from __future__ import annotations

import numpy as np

from scanwise.geometry.voxels import voxelize


def connected(count: int, pairs: np.ndarray) -> np.ndarray:
    """Components of a graph.

    Args:
        count: of its nodes.
        pairs: (E, 2) nodes that are linked, in any order; a link may come twice.

    Returns:
        (count,) int32 component of each node, numbered from 0 by their first nodes.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def connected_points(points: np.ndarray, reach: float) -> np.ndarray:
    """Components of a cloud: points in voxels that share a corner belong together.

    Args:
        points: (N, 3) finite, N at least 1.
        reach: edge of the voxels, metres.

    Returns:
        (N,) int32 component of each point, numbered from 0 by their first voxels.
    """
    from scipy.spatial import cKDTree

    voxels = voxelize(points, reach)
    pairs = cKDTree(voxels.coords(points)).query_pairs(1.01, p=np.inf, output_type="ndarray")
    return connected(len(voxels), pairs)[voxels.of_point]
