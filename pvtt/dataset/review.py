"""What a person should look at: clips whose masks are borderline, and photos whose cut-outs are doubtful."""

from __future__ import annotations

from collections.abc import Iterable

from pvtt.files.workspace import Workspace
from pvtt.records.base import Record, read_jsonl
from pvtt.records.clips import Clip, Mask, PhotoSet
from pvtt.records.reviews import Judged, Kind, Verdict, read_answers

WORDS = {
    "stability": "the mask jumps from one frame to the next",
    "agreement": "masks found on different frames disagree: a part may be missing, or a hole filled",
    "area": "the mask nearly vanishes, or bursts",
    "border": "it touches the border: something reaches in, comes or goes",
    "objects": "more than one product, or none, was seen on some frames",
    "people": "a hand or a person may be in the mask",
    "small": "it covers very little of the photo",
    "large": "it covers most of the photo: the background may be in it",
    "cut_off": "it touches the photo's border: the product goes on, or background is in it",
    "fragments": "it is in several pieces: something else, or a torn product",
    "unsure": "much of it is half transparent",
    "frame": "it has the outline of a whole picture, not of a product",
}


class Doubtful(Record):
    """One clip or photo, with its reasons. Paths are relative to the workspace."""

    kind: Kind
    name: str  # the clip's key, or the prepared photo's path
    product_id: str
    doubts: tuple[str, ...]
    confidence: float | None  # a clip's, from 0 to 1
    picture: str  # what was looked at: the clip, or the photo as crawled
    result: str  # what came of it: the mask, or the cut-out
    source: str  # the file that it is from, relative to data/, as `pvtt data reject` takes it
    picture_sha256: str
    result_sha256: str
    answer: Verdict | None = None  # a person's, on these contents

    @property
    def judged(self) -> Judged:
        """What an answer on it is of."""
        return Judged(self.kind, self.picture_sha256, self.result_sha256)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Its doubts in words."""
        return tuple(WORDS.get(doubt, doubt) for doubt in self.doubts)


def find_doubtful(workspace: Workspace, product_ids: Iterable[str] = (), answered: bool = False) -> list[Doubtful]:
    """All that is doubtful in the outputs of `segment` and `photos`: clips, the least sure first, then photos.

    Outputs of stages that have not run count as empty.

    Args:
        workspace: The project.
        product_ids: Only of these; none: of all.
        answered: Also what a person has answered on, which is not doubtful any more.

    Raises:
        PvttError: A file is damaged or of another version; names it.
    """
    wanted = set(product_ids)
    answers = read_answers(workspace.reviews)
    found = []
    for one in (*_clips(workspace), *_photos(workspace)):
        answer = answers.get(one.judged)
        if (wanted and one.product_id not in wanted) or (answer is not None and not answered):
            continue
        found.append(one if answer is None else one.model_copy(update={"answer": answer.verdict}))
    return found


def _clips(workspace: Workspace) -> list[Doubtful]:
    clips_file, masks_file = workspace.out("clip") / "clips.jsonl", workspace.out("segment") / "masks.jsonl"
    if not (clips_file.is_file() and masks_file.is_file()):
        return []
    clips = {clip.key: clip for clip in read_jsonl(clips_file, Clip)}
    found = [
        Doubtful(
            kind="clip",
            name=mask.key,
            product_id=mask.product_id,
            doubts=mask.doubts,
            confidence=None if mask.confidence is None else mask.confidence.score,
            picture=f"outs/clip/{clips[mask.key].path}",
            result=f"outs/segment/{mask.path}",
            source=clips[mask.key].source_path,
            picture_sha256=clips[mask.key].sha256,
            result_sha256=mask.sha256,
        )
        for mask in read_jsonl(masks_file, Mask)
        if mask.doubts and mask.key in clips
    ]
    return sorted(found, key=lambda one: (one.confidence or 0.0, one.name))


def _photos(workspace: Workspace) -> list[Doubtful]:
    photos_file = workspace.out("photos") / "photos.jsonl"
    if not photos_file.is_file():
        return []
    return [
        Doubtful(
            kind="photo",
            name=photo.path,
            product_id=photo_set.product_id,
            doubts=photo.doubts,
            confidence=None,
            picture=f"data/{photo.source_path}",
            result=f"outs/photos/{photo.path}",
            source=photo.source_path,
            picture_sha256=photo.source_sha256,
            result_sha256=photo.sha256,
        )
        for photo_set in read_jsonl(photos_file, PhotoSet)
        for photo in photo_set.photos
        if photo.doubts
    ]
