"""What a person should look at: clips whose masks are borderline, and photos whose cut-outs are doubtful."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pvtt.files.workspace import Workspace
from pvtt.records.base import Record, read_jsonl
from pvtt.records.clips import Clip, Mask, PhotoSet

Kind = Literal["clip", "photo"]


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


def find_doubtful(workspace: Workspace, product_ids: Iterable[str] = ()) -> list[Doubtful]:
    """All that is doubtful in the outputs of `segment` and `photos`: clips, the least sure first, then photos.

    Outputs of stages that have not run count as empty.

    Args:
        workspace: The project.
        product_ids: Only of these; none: of all.

    Raises:
        PvttError: A file is damaged or of another version; names it.
    """
    wanted = set(product_ids)
    found = [*_clips(workspace), *_photos(workspace)]
    return [one for one in found if not wanted or one.product_id in wanted]


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
        )
        for photo_set in read_jsonl(photos_file, PhotoSet)
        for photo in photo_set.photos
        if photo.doubts
    ]
