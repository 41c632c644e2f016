"""What the routes that need no weights cost: processor seconds a sample of the tiny profile, to make and to measure.

`pytest tests/benchmarks/test_routes.py -s` prints the figures; seconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median

import cv2
import numpy as np

from pvtt.evaluation.contenders.contender import Task
from pvtt.evaluation.contenders.first_frame import FirstFrame
from pvtt.evaluation.contenders.points import Points
from pvtt.evaluation.metrics.all import METRICS
from pvtt.evaluation.metrics.identity import embed_photos
from pvtt.evaluation.metrics.metric import Appearance, Networks, Scene
from pvtt.media.arrays import Region, Video
from tests.evaluation.contenders.scenes import Moving, filmed, task_of

SIZE, NUM_FRAMES, TAKES = (240, 160), 5, 5


def sample() -> tuple[Video, Region]:
    template, product = (one[:NUM_FRAMES] for one in filmed(Moving(1.5, -0.5, turn=2.0)))
    large = [cv2.resize(frame, SIZE, interpolation=cv2.INTER_CUBIC) for frame in template]
    there = [cv2.resize(frame.astype(np.uint8), SIZE, interpolation=cv2.INTER_NEAREST) > 0 for frame in product]
    return np.stack(large).astype(np.uint8), np.stack(there)


def test_a_route_without_weights_costs_a_fraction_of_a_second() -> None:
    cv2.setNumThreads(1)
    template, product = sample()
    look = embed_photos(task_of(template, product).photos, SIZE[1])
    assert look is not None
    asked = [metric.measure for metric in METRICS if metric.of_contenders and metric.measure is not None]
    for route in (FirstFrame(), Points()):
        making, measuring = [], []
        for _ in range(TAKES):
            task = task_of(template, product)
            started = time.process_time()
            (video,) = route.videos([task], None)  # type: ignore[arg-type]
            making.append(time.process_time() - started)
            assert video is not None
            seen = scene_of(task, template, product, {"A": look})
            for measure in asked:
                measure(seen, video)  # what all contenders share is known from here on
            started = time.process_time()
            for measure in asked:
                measure(seen, video)
            measuring.append(time.process_time() - started)
        print(f"\n{route.name}: {median(making):.3f} s to make, {median(measuring):.3f} s to measure")
        assert median(making) < 1


def scene_of(task: Task, template: Video, product: Region, gallery: Mapping[str, Appearance]) -> Scene:
    return Scene(
        truth=template,
        template=template,
        product=product,
        hole=task.hole,
        raw=template,
        output=template,
        others={},
        product_id="A",
        partner_id=None,
        template_id=None,
        gallery=gallery,
        photos=task.photos,
        networks=Networks(),
    )
