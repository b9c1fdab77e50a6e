"""Points, cameras and shapes, in numpy, with no opinion on the task; nothing here knows a network or a file.

cameras: points into pixels and back, and which points a depth map shows: one projection, one occlusion rule.
pixels: which point of a cloud each pixel of a view shows.
voxels: points into voxels and back. neighbours: which points are nearest to which. components: which hang together.
normals: of a cloud that came without. colors: in a space where distance means difference.
boxes: the oriented box around points. objects: objects in a per-point score. selection: points that a user means.
upright: which way is up, and the turn that brings it to +z; vertical: what a bare room says of that.
extents: how far a scan reaches, strays apart. units: metres inside, the file's own outside. inside: all three at once.
"""
