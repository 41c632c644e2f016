"""What a rater sees, and in which order.

Beside the videos that are rated, three kinds are hidden in the queue to judge the raters by:

- the truth, as it was filmed: what a person who looks well gives the highest score;
- the hole filled with one colour: the lowest;
- some videos a second time: a person who looks well gives the same score again.

The order is a row of a Williams design (Williams 1949, *Experimental Designs Balanced for the Estimation of Residual
Effects of Treatments*): over the raters, each video stands equally often in each place and after each other one, so
neither tiredness nor the video before favours one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pvtt.files.hashing import sha256_json
from pvtt.records.evaluation import EvaluatedSample
from pvtt.records.ratings import CONTROLS, Shown

CONTROL_SHARE = 4  # one in so many videos has a control of each kind


@dataclass(frozen=True)
class Showing:
    """A video in the queue.

    Args:
        sample: Whose video it is.
        shown: Which of its videos.
        again: It is shown a second time.
    """

    sample: EvaluatedSample
    shown: Shown = "generated"
    again: bool = False

    def token(self, run_id: str) -> str:
        """Stands for it in addresses, and tells nothing of it."""
        return sha256_json([run_id, self.sample.key, self.shown, self.again])[:16]


def samples_to_rate(samples: Iterable[EvaluatedSample]) -> list[EvaluatedSample]:
    """The samples whose videos people rate: of test products, in their own films and in another product's place."""
    return [sample for sample in samples if sample.split == "test" and sample.to_rate and "generated" in sample.videos]


def showings(run_id: str, samples: Iterable[EvaluatedSample]) -> list[Showing]:
    """The videos that are shown once, controls among them, in an order that tells nothing.

    Which videos have controls is drawn by the run's id, another kind of control of other videos.

    Args:
        run_id: Of the evaluation.
        samples: All of its samples.
    """
    rated = sorted(samples_to_rate(samples), key=lambda sample: sha256_json([run_id, "controls", sample.key]))
    count = _num_controls(len(rated))
    found = [Showing(sample) for sample in rated]
    for turn, shown in enumerate(CONTROLS):
        drawn = [*rated[turn * count :], *rated[: turn * count]]
        found += [Showing(sample, shown) for sample in [one for one in drawn if shown in one.videos][:count]]
    return sorted(found, key=lambda showing: showing.token(run_id))


def in_order(once: Sequence[Showing], rater: int) -> list[Showing]:
    """A rater's queue: a row of the design, then the rated videos that were seen first a second time.

    Args:
        once: What is shown once.
        rater: Number of the rater, from 0.
    """
    row = [once[place] for place in williams_row(len(once), rater)]
    rated = [showing for showing in row if showing.shown == "generated"]
    count = _num_controls(len(rated)) if len(rated) > 1 else 0
    return [*row, *(replace(showing, again=True) for showing in rated[:count])]


def _num_controls(num_rated: int) -> int:
    """Of each kind."""
    return -(-num_rated // CONTROL_SHARE)


def williams_row(size: int, row: int) -> list[int]:
    """A row of a Williams design of so many treatments: `size` rows are balanced, of an odd size twice as many.

    The first row is 0, size - 1, 1, size - 2, …; each next one adds 1 to all, modulo the size; the second `size` rows
    are the first ones backwards.
    """
    first = [place // 2 if place % 2 == 0 else size - 1 - place // 2 for place in range(size)]
    shifted = [(treatment + row) % size for treatment in first] if size else []
    return shifted[::-1] if size and row // size % 2 else shifted
