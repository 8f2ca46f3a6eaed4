"""Commands of `clickseg3d` that are not in `cli`."""
