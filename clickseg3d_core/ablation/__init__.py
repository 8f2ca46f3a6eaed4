"""Ablation studies: the same training again and again, with one thing changed each time."""
