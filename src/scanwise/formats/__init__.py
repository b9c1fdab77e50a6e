"""Every format into and out of a `Scene`, chosen by what is at the path.

A format is a module with `read(path) -> Scene` and, where the format allows, `write(scene, path)`.
Folders are recognised by what lies in them (`recognises(path) -> bool`), files by their suffix.
"""
