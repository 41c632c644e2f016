"""clip: data/products/*/product.json and their videos → outs/clip.

One item a video: its shots become clips. Numbers count all shots of a product's videos in order, so a shot that is
turned away keeps its number and the others keep theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvtt.stages.stage import Stage

if TYPE_CHECKING:
    from pvtt.clips.shots import Shot, VideoShots
    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.items.runner import Done, Outcome
    from pvtt.params.file import Params
    from pvtt.records.catalog import MediaFile, Product, Reject
    from pvtt.records.clips import Clip

STAGE = Stage(
    name="clip",
    help="Cut videos into clips of one shot each",
    reads=("data",),
    params=("clip",),
    writes=("outs/clip/videos", "outs/clip/clips.jsonl", "outs/clip/rejects.jsonl"),
    work="pvtt.clips.shots:split_video",
)


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Cut all products' videos into clips.

    Raises:
        MissingInputError: There is no data.
        FailureBudgetError: Too many videos failed; `outs/clip/rejects.jsonl` names them.
    """
    from pvtt.clips.shots import SourceVideo
    from pvtt.files.atomic import atomic_directory
    from pvtt.items.runner import Item, materialise
    from pvtt.records.base import write_jsonl
    from pvtt.records.catalog import REJECTS_FILE, read_products

    products = read_products(workspace.data)
    items = [
        Item(
            name=_item_name(product, video),
            payload=SourceVideo(sha256=video.sha256, path=workspace.data / video.path),
            inputs=(video.sha256,),
            product_id=product.product_id,
        )
        for product in products
        for video in product.videos
    ]
    outcome: Outcome[VideoShots] = STAGE.work_on(items, params.clip, workspace, dispatcher)

    finished = {done.name: done for done in outcome.done}
    clips: list[Clip] = []
    rejects = list(outcome.rejects)
    with atomic_directory(workspace.out(STAGE.name)) as out:
        for product in products:
            number = 0
            for video in product.videos:
                done = finished.get(_item_name(product, video))
                if done is None:
                    continue
                for shot_number, shot in enumerate(done.record.shots, start=1):
                    number += 1
                    if shot.reason is not None:
                        rejects.append(_reject(product, done, shot_number, shot))
                        continue
                    clip = _clip(product, video, number, shot, params)
                    materialise(done.directory / str(shot.file), out / clip.path)
                    clips.append(clip)
        rejects.sort(key=lambda reject: reject.item)
        write_jsonl(out / "clips.jsonl", clips)
        write_jsonl(out / REJECTS_FILE, rejects)
    outcome.enforce_budget(STAGE.name, params.clip.max_failed_fraction)


def _item_name(product: Product, video: MediaFile) -> str:
    return f"{product.product_id}/videos/{video.path.rsplit('/', 1)[-1]}"


def _reject(product: Product, done: Done[VideoShots], shot_number: int, shot: Shot) -> Reject:
    from pvtt.records.catalog import Reject

    return Reject(
        stage=STAGE.name,
        item=f"{done.name}#{shot_number}",
        product_id=product.product_id,
        reason=str(shot.reason),
        message=f"{shot.start_s:.2f}–{shot.end_s:.2f} s: {shot.message}",
    )


def _clip(product: Product, video: MediaFile, number: int, shot: Shot, params: Params) -> Clip:
    from pvtt.clips.caption import caption_of
    from pvtt.records.clips import Clip

    clip_id = f"{number:03d}"
    return Clip(
        product_id=product.product_id,
        clip_id=clip_id,
        category=product.category,
        caption=caption_of(product.title, product.description),
        path=f"videos/{product.product_id}_{clip_id}.mp4",
        sha256=str(shot.sha256),
        source_path=video.path,
        source_sha256=video.sha256,
        source_start_s=shot.start_s,
        source_end_s=shot.end_s,
        num_frames=shot.num_frames,
        fps=params.clip.fps,
        width=params.clip.width,
        height=params.clip.height,
    )
