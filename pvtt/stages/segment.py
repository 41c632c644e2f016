"""segment: outs/clip → outs/segment. One item a clip, one mask file a clip."""

from __future__ import annotations

from pvtt.errors import MissingInputError
from pvtt.files.atomic import atomic_directory
from pvtt.files.workspace import Workspace
from pvtt.items.dispatcher import Dispatcher
from pvtt.items.runner import Item, materialise, run_items
from pvtt.params.file import Params
from pvtt.records.base import read_jsonl, write_jsonl
from pvtt.records.clips import Clip, Mask
from pvtt.segment.segmenter import MASK_FILE, ClipSource, segment_clip, weights_sha256s

STAGE = "segment"
CODE = ("segment", "media")


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Segment all clips.

    Raises:
        MissingInputError: The clip stage has not run, or a model's weights are not there.
        FailureBudgetError: Too many clips failed; `outs/segment/rejects.jsonl` names them.
    """
    clips_file = workspace.out("clip") / "clips.jsonl"
    if not clips_file.is_file():
        raise MissingInputError(f"{clips_file} does not exist", "run `pvtt clip` or `dvc repro segment` first")
    weights = weights_sha256s(params.segment)
    items = [
        Item(
            name=clip.key,
            payload=ClipSource(
                product_id=clip.product_id,
                clip_id=clip.clip_id,
                sha256=clip.sha256,
                num_frames=clip.num_frames,
                fps=clip.fps,
                path=workspace.out("clip") / clip.path,
            ),
            inputs=(clip.sha256, *weights),
            product_id=clip.product_id,
        )
        for clip in read_jsonl(clips_file, Clip)
    ]
    outcome = run_items(STAGE, items, segment_clip, Mask, params.segment, CODE, workspace, dispatcher)

    with atomic_directory(workspace.out(STAGE)) as out:
        for done in outcome.done:
            materialise(done.directory / MASK_FILE, out / done.record.path)
        write_jsonl(out / "masks.jsonl", [done.record for done in outcome.done])
        write_jsonl(out / "rejects.jsonl", outcome.rejects)
    outcome.enforce_budget(STAGE, params.segment.max_failed_fraction)
