"""Where to cut objects from the background, chosen on validation scenes.

The losses make mask logits probabilities, more or less; the cut that gives the best IoU is another
matter, since an object that may end at either of two borders is better taken whole than halved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clickseg3d_core.data.scene import Scene
from clickseg3d_core.evaluation.single_object import evaluate_scene
from clickseg3d_core.segmenter import ClickSegmenter

CANDIDATES = (0.0, -0.5, -1.0, -1.5, -2.0, -2.5)


def best_background_logit(
    segmenter: ClickSegmenter,
    scenes: Sequence[Scene],
    *,
    candidates: Sequence[float] = CANDIDATES,
    clicks: int = 2,
    max_objects: int = 6,
) -> tuple[float, dict[float, float]]:
    """Try cuts by the single-object protocol.

    Args:
        segmenter: Left as it was.
        scenes: Validation scenes.
        candidates: Values of `DecoderConfig.background_logit` to try.
        clicks: Clicks per object; the score is the mean IoU over 1..clicks.
        max_objects: Objects per scene.

    Returns:
        The best candidate, and the score of each.
    """
    config, scores = segmenter.config, {}
    try:
        for candidate in candidates:
            decoder = replace(config.decoder, background_logit=float(candidate))
            segmenter.config = replace(config, decoder=decoder)
            ious = [
                np.mean(record.ious)
                for scene in scenes
                for record in evaluate_scene(
                    segmenter, scene, clicks=clicks, max_objects=max_objects
                )
            ]
            scores[float(candidate)] = float(np.mean(ious)) if ious else 0.0
    finally:
        segmenter.config = config
    return max(scores, key=lambda candidate: scores[candidate]), scores
