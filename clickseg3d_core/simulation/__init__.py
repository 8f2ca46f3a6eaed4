"""Simulated scans: labelled training scenes made from shapes, with no download."""
