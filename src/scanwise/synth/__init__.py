"""Labelled scenes that are made here: rooms as an RGB-D camera records them, streets as a LiDAR does."""
