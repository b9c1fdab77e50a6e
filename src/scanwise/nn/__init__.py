"""Layers that two or more methods share, with no opinion on the task."""
