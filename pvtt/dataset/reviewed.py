"""What a person turned away leaves the data set: a clip with its mask, or one of a product's photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pvtt.dataset.join import STAGE, Sources
from pvtt.records.catalog import Reject
from pvtt.records.reviews import Judged, ReviewAnswer

REASON = "reviewed_out"


def without_turned_away(sources: Sources, answers: Mapping[Judged, ReviewAnswer]) -> tuple[Sources, tuple[Reject, ...]]:
    """The sources without what was turned away in a review, and a row for each that is left out.

    An answer counts for the contents that were judged, whatever they are called now.

    Args:
        sources: What the stages before wrote.
        answers: The answers that count, by what they are of.
    """
    left_out: list[Reject] = []

    def is_out(judged: Judged, name: str, product_id: str, what: str) -> bool:
        answer = answers.get(judged)
        if answer is None or answer.verdict != "turn_away":
            return False
        message = f"{what} was turned away in a review on {answer.answered_at[:10]}"
        left_out.append(Reject(stage=STAGE, item=name, product_id=product_id, reason=REASON, message=message))
        return True

    clips = {clip.key: clip for clip in sources.clips}
    gone = {
        mask.key
        for mask in sources.masks
        if mask.key in clips
        and is_out(
            Judged("clip", clips[mask.key].sha256, mask.sha256), mask.key, mask.product_id, "its mask over the clip"
        )
    }
    photo_sets = tuple(
        photo_set.model_copy(
            update={
                "photos": tuple(
                    photo
                    for photo in photo_set.photos
                    if not is_out(
                        Judged("photo", photo.source_sha256, photo.sha256),
                        photo.path,
                        photo_set.product_id,
                        "its cut-out",
                    )
                )
            }
        )
        for photo_set in sources.photo_sets
    )
    kept = replace(
        sources,
        clips=tuple(clip for clip in sources.clips if clip.key not in gone),
        masks=tuple(mask for mask in sources.masks if mask.key not in gone),
        photo_sets=photo_sets,
    )
    return kept, tuple(left_out)
