"""encode: outs/validate's samples and transfers, their clips, masks and photos, the base's networks → outs/encode.

One item a sample. Latents, photo tokens and text embeddings are computed once, so that a training step touches only the
transformer.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pvtt.errors import ParamsError, PvttError
from pvtt.stages.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.params.file import Params
    from pvtt.records.dataset import DatasetEntry, EncodedSample, ForeignSample

STAGE = Stage(
    name="encode",
    help="Turn clips, masks and photos into latents and tokens",
    reads=(
        "${model.base}/text_encoder",
        "${model.base}/tokenizer",
        "${model.base}/vae",
        "${validate.transfers}",
        "outs/clip/videos",
        "outs/photos/photos",
        "outs/segment/masks",
        "outs/validate/entries.jsonl",
        "outs/validate/transfers.json",
    ),
    params=("encode", "model.base", "model.conditioning", "seed"),
    writes=(
        "outs/encode/samples",
        "outs/encode/encoded.jsonl",
        "outs/encode/transfers.jsonl",
        "outs/encode/mask_contract.json",
        "outs/encode/crop_contract.json",
        "outs/encode/foreign.jsonl",
        "outs/encode/rejects.jsonl",
    ),
    work="pvtt.encoding.encode:encode_item",
    on_gpu=True,
)


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Encode all samples of the dataset.

    Raises:
        MissingInputError: There is no dataset, no base model, no image encoder, or no folder of foreign clips.
        ParamsError: A setting does not fit the base.
        PvttError: The conditioning has `template_frames`, and no sample has a template.
        FailureBudgetError: Too many samples failed; `outs/encode/rejects.jsonl` names them.
    """
    from pvtt.encoding.encode import EncodeJob, reference_file
    from pvtt.encoding.foreign import ForeignParams, encode_foreign, foreign_items
    from pvtt.encoding.gaps import gap_partners
    from pvtt.encoding.pairing import describe_pairing, other_clips, own_moments
    from pvtt.encoding.store import TENSORS_FILE
    from pvtt.files.atomic import atomic_directory
    from pvtt.items.runner import Item, Outcome, materialise, run_items
    from pvtt.models.conditioning.photo_features import require_dino_encoder, require_image_encoder
    from pvtt.models.contracts import Contracts
    from pvtt.models.demands import unmet_demands
    from pvtt.models.loading import ENCODER_PARTS, read_transformer_config
    from pvtt.models.origin import model_sha256
    from pvtt.records.base import write_jsonl
    from pvtt.records.catalog import REJECTS_FILE
    from pvtt.records.dataset import (
        ENCODED_FILE,
        ENCODED_TRANSFERS_FILE,
        FOREIGN_FILE,
        read_entries,
        read_transfers,
    )

    validated = workspace.out("validate")
    entries = [*read_entries(validated), *read_transfers(validated).entries]
    _require_templates([entry for entry in entries if entry.track == "reconstruct"], params)
    base = workspace.root / params.model.base
    for demand in unmet_demands(read_transformer_config(base), params.encode):
        raise ParamsError(demand.what, f"set {demand.change}")
    networks = [model_sha256(base / part) for part in ENCODER_PARTS]
    if params.encode.image_features != "vae":
        networks.append(model_sha256(require_image_encoder(params.encode.image_encoder)))
    if params.encode.image_features == "clip_dino":
        networks.append(model_sha256(require_dino_encoder(params.encode.dino_encoder)))
    others = other_clips(entries, params.encode.max_photos)
    gaps: dict[str, DatasetEntry] = {}
    if params.encode.mask.gap_fraction > 0:
        gaps = gap_partners([entry for entry in entries if entry.track == "reconstruct"])
    extras = params.model.encoded_extras
    items = [
        Item(
            name=entry.key,
            payload=EncodeJob(
                entry=entry,
                seed=params.seed if params.encode.seed is None else params.encode.seed,
                extras=extras,
                gap=gaps.get(entry.key),
                others=others[entry.key],
                root=workspace.root,
                base=base,
            ),
            inputs=(*_hashes(entry), *(gap.mask_sha256 for gap in (gaps.get(entry.key),) if gap), *networks),
            product_id=entry.product_id,
        )
        for entry in entries
    ]
    films = foreign_items(workspace, params.encode.preservation_clips, base, networks[: len(ENCODER_PARTS)])
    # No sample depends on the clips, and each names its seed.
    of_samples = params.encode.model_copy(update={"preservation_clips": None, "seed": None})
    outcome: Outcome[EncodedSample] = STAGE.work_on(items, of_samples, workspace, dispatcher)
    foreign: Outcome[ForeignSample] = Outcome([], [], 0, 0)
    if films:
        foreign = run_items(STAGE.name, films, encode_foreign, ForeignParams.of(params.encode), workspace, dispatcher)
    records = [done.record for done in outcome.done]
    with atomic_directory(workspace.out(STAGE.name)) as out:
        for done in outcome.done:
            materialise(done.directory / TENSORS_FILE, out / done.record.path)
            for number in range(1, len(done.record.reference_clips) + 1):
                file = reference_file(number)
                materialise(done.directory / file, out / "samples" / done.name / file)
        # Apart, so that no training reads a truth.
        for file, track in ((ENCODED_FILE, "reconstruct"), (ENCODED_TRANSFERS_FILE, "transfer")):
            write_jsonl(out / file, [record for record in records if record.track == track])
        for kept in foreign.done:
            materialise(kept.directory / TENSORS_FILE, out / kept.record.path)
        write_jsonl(out / FOREIGN_FILE, [kept.record for kept in foreign.done])
        write_jsonl(out / REJECTS_FILE, [*outcome.rejects, *foreign.rejects, *own_moments(records)])
        Contracts.from_params(params.encode).save(out)
    if said := describe_pairing(records, outcome.rejects):
        print(f"encode: {said}", file=sys.stderr)
    for one in (outcome, foreign):
        one.enforce_budget(STAGE.name, params.encode.max_failed_fraction)


def _require_templates(entries: Sequence[DatasetEntry], params: Params) -> None:
    """Say how many samples `template_frames` leaves out; each is in the reject table too."""
    without = [entry for entry in entries if entry.template is None]
    if "template" not in params.model.encoded_extras or not without:
        return
    message = (
        f"{len(without)} of {len(entries)} samples have no film of the same shot with another product, which "
        "`template_frames` is trained on"
    )
    if len(without) == len(entries):
        raise PvttError(
            f"encode: {message}",
            "take template_frames out of model.conditioning, or render such pairs: `pvtt wan-tiny takes --help`",
        )
    print(f"encode: {message}: they are left out, as no_template in rejects.jsonl", file=sys.stderr)


def _hashes(entry: DatasetEntry) -> tuple[str, ...]:
    template = () if entry.template is None else (entry.template.clip_sha256, entry.template.mask_sha256)
    return (entry.clip_sha256, entry.mask_sha256, *entry.photo_sha256s, *template)
