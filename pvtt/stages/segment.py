"""segment: outs/clip → outs/segment. One item a clip, one mask file a clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvtt.stages.stage import Stage

if TYPE_CHECKING:
    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.items.runner import Outcome
    from pvtt.params.file import Params
    from pvtt.records.clips import Mask

STAGE = Stage(
    name="segment",
    help="Mask the product in every clip",
    reads=("outs/clip/clips.jsonl", "outs/clip/videos"),
    params=("segment",),
    writes=("outs/segment/masks", "outs/segment/masks.jsonl", "outs/segment/rejects.jsonl"),
    work="pvtt.segment.segmenter:segment_clip",
)


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Segment all clips.

    Raises:
        MissingInputError: The clip stage has not run, or a model's weights are not there.
        FailureBudgetError: Too many clips failed; `outs/segment/rejects.jsonl` names them.
    """
    from pvtt.files.atomic import atomic_directory
    from pvtt.files.workspace import require_output
    from pvtt.items.runner import Item, materialise
    from pvtt.records.base import read_jsonl, write_jsonl
    from pvtt.records.catalog import REJECTS_FILE
    from pvtt.records.clips import Clip
    from pvtt.segment.prompts import prompt
    from pvtt.segment.segmenter import MASK_FILE, ClipSource, weights_sha256s

    clips_file = workspace.out("clip") / "clips.jsonl"
    require_output(clips_file, "clip")
    by_words = params.segment.detector == "grounding_dino"
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
                prompt=prompt(params.segment.text, clip.caption, clip.category) if by_words else None,
                path=workspace.out("clip") / clip.path,
            ),
            inputs=(clip.sha256, *weights),
            product_id=clip.product_id,
        )
        for clip in read_jsonl(clips_file, Clip)
    ]
    outcome: Outcome[Mask] = STAGE.work_on(items, params.segment, workspace, dispatcher)

    with atomic_directory(workspace.out(STAGE.name)) as out:
        for done in outcome.done:
            materialise(done.directory / MASK_FILE, out / done.record.path)
        write_jsonl(out / "masks.jsonl", [done.record for done in outcome.done])
        write_jsonl(out / REJECTS_FILE, outcome.rejects)
    outcome.enforce_budget(STAGE.name, params.segment.max_failed_fraction)
