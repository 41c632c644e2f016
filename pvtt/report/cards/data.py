"""The data card: what is in the dataset, from where and under which licence, what was turned away, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from pvtt.records.catalog import MediaFile
from pvtt.records.dataset import SPLITS, DatasetEntry
from pvtt.report.cards.licence import UNKNOWN, hub_licence, hub_licences
from pvtt.report.collect import ReportInputs
from pvtt.report.grid import markdown_text
from pvtt.report.header import Facts

FEW_PRODUCTS = 30  # below, Student's t is no longer close to the normal
FEATURES = (  # a line of entries.jsonl: name, type on the Hub, what it is
    ("product_id", "string", "whose clip it is; splits share no product"),
    ("clip_id", "string", "which of the product's"),
    ("split", "string", "train, val or test"),
    ("category", "string", "the product's, as crawled"),
    ("caption", "string", "what the product is, in the source's words"),
    ("clip_path", "string", "one shot of its film, H.264"),
    ("mask_path", "string", "where the product is in each frame, FFV1"),
    ("photo_paths", "list: string", "photos of the product, cut out, RGBA"),
    ("num_frames", "int64", "of the clip"),
    ("fps", "float64", "of the clip"),
    ("width", "int64", "pixels"),
    ("height", "int64", "pixels"),
)


def dataset_name(inputs: ReportInputs) -> str:
    """Of the version that was evaluated: `pvtt-666f2127fabf`."""
    return f"pvtt-{inputs.run.fingerprint.dataset_sha256[:12]}"


def licences_of(inputs: ReportInputs) -> list[str]:
    """The Hub's ids of the licences of all media of products that have a sample."""
    return hub_licences(licence for _, licence in _media(inputs)) or [UNKNOWN]


def data_card(inputs: ReportInputs, here: Facts = ()) -> str:
    """The card as the `README.md` of the dataset's folder.

    Args:
        inputs: Of the run.
        here: What is so in this clone alone; none in the card that DVC keeps.
    """
    from huggingface_hub import DatasetCardData

    licences = licences_of(inputs)
    num_samples = len(inputs.entries)
    data = DatasetCardData(
        license=licences[0] if len(licences) == 1 else licences,
        pretty_name=dataset_name(inputs),
        task_categories=["video-to-video"],
        size_categories=["n<1K" if num_samples < 1000 else "1K<n<10K" if num_samples < 10_000 else "10K<n<100K"],
        tags=["product-video", "video"],
        dataset_info={
            "features": [_feature(name, kind) for name, kind, _ in FEATURES],
            "splits": [{"name": split, "num_examples": clips} for split, (_, clips) in inputs.counts.items()],
        },
    )
    sections = [
        f"# {dataset_name(inputs)}",
        "Clips of product videos, each with a mask of the product and photos of it: what the model of run "
        f"{inputs.run.run_id} was trained and measured on.",
        _splits(inputs),
        "## A sample\n\n" + "\n".join(f"- `{name}`: {says}" for name, _, says in FEATURES),
        _sources(inputs),
        _rejects(inputs),
        "## Known gaps\n\n" + "\n".join(f"- {gap}" for gap in _gaps(inputs)),
        _version(inputs, here),
    ]
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n"


def _feature(name: str, kind: str) -> dict[str, object]:
    return {"name": name, "list": "string"} if kind.startswith("list") else {"name": name, "dtype": kind}


def _splits(inputs: ReportInputs) -> str:
    rows = []
    for split in SPLITS:
        of_split = [entry for entry in inputs.entries if entry.split == split]
        photos = {path for entry in of_split for path in entry.photo_paths}
        seconds = sum(entry.num_frames / entry.fps for entry in of_split)
        products, clips = inputs.counts[split]
        rows.append(f"| {split} | {products} | {clips} | {seconds:.0f} | {len(photos)} |")
    transfers = sum(sample.track == "transfer" for sample in inputs.encoded)
    return (
        "## Splits\n\n| split | products | clips | seconds | photos |\n| --- | ---: | ---: | ---: | ---: |\n"
        + "\n".join(rows)
        + f"\n\nBeside them {transfers} transfers between products of test, each with its true result.\n\n"
        + _categories(inputs.entries)
    )


def _categories(entries: tuple[DatasetEntry, ...]) -> str:
    counts = Counter((entry.category, entry.split) for entry in entries)
    rows = [
        f"| {markdown_text(category)} | {' | '.join(str(counts[category, split]) for split in SPLITS)} |"
        for category in sorted({entry.category for entry in entries})
    ]
    return "| clips of category | train | val | test |\n| --- | ---: | ---: | ---: |\n" + "\n".join(rows)


def _media(inputs: ReportInputs) -> Iterator[tuple[MediaFile | None, str | None]]:
    """The crawled files of products that have a sample, each with its licence or its product's."""
    for product_id in sorted({entry.product_id for entry in inputs.entries}):
        product = inputs.products.get(product_id)
        if product is None:
            yield None, None
        else:
            yield from ((media, media.license or product.license) for media in (*product.videos, *product.photos))


def _sources(inputs: ReportInputs) -> str:
    """By host, without the port, which says where a copy of a shop was served."""
    counts = Counter(
        (
            "–" if media is None else urlsplit(media.url).hostname or "a folder",
            licence or "none is said",
            hub_licence(licence),
        )
        for media, licence in _media(inputs)
    )
    rows = [
        f"| {markdown_text(host)} | {markdown_text(licence)} | {on_hub} | {count} |"
        for (host, licence, on_hub), count in sorted(counts.items())
    ]
    return (
        "## Sources and licences\n\n| source | licence, as the source says | on the Hub | files |\n"
        "| --- | --- | --- | ---: |\n" + "\n".join(rows)
    )


def _rejects(inputs: ReportInputs) -> str:
    counts = Counter((reject.stage, reject.reason) for reject in inputs.rejects)
    if not counts:
        return "## Turned away\n\nNothing was."
    rows = [
        f"| {markdown_text(stage)} | {markdown_text(reason)} | {count} |"
        for (stage, reason), count in sorted(counts.items())
    ]
    return "## Turned away\n\n| stage | reason | items |\n| --- | --- | ---: |\n" + "\n".join(rows)


def _gaps(inputs: ReportInputs) -> Iterator[str]:
    known = {entry.category for entry in inputs.entries if entry.split == "train"}
    for split in SPLITS[1:]:
        there = {entry.category for entry in inputs.entries if entry.split == split}
        if missing := sorted(known - there):
            yield f"{split} has no product of: {', '.join(map(markdown_text, missing))}."
        if untrained := sorted(there - known):
            yield f"train has no product of categories that {split} has: {', '.join(map(markdown_text, untrained))}."
        products = inputs.counts[split][0]
        if products < FEW_PRODUCTS:
            yield f"{split} has {products} product{'' if products == 1 else 's'}: intervals over products are wide."
    without = sum(not entry.photo_paths for entry in inputs.entries)
    if without:
        yield f"{without} clips have no photo; the product in its other clips stands in."
    own = sum(len(sample.own_moments) for sample in inputs.encoded)
    if own:
        yield f"{own} photos are frames of a clip itself and are given to no sample of it."
    if why := inputs.metrics.unmeasured.get("transfer"):
        yield f"There are no transfers: {markdown_text(why)}."
    silent = sum(licence is None for _, licence in _media(inputs))
    if silent:
        yield f"Of {silent} files no licence is known: find out before passing them on."
    yield "Captions are shops' own words, unchecked. Masks are made by a network and a tracker, not drawn by people."


def _version(inputs: ReportInputs, here: Facts) -> str:
    facts = [*here, ("sha256 of the evaluated samples", inputs.run.fingerprint.dataset_sha256)]
    lines = "\n".join(f"- {markdown_text(name)}: {markdown_text(value)}" for name, value in facts)
    return f"## Version\n\n{lines}\n- `data.dvc` and `dvc.lock` of the run's commit: `dvc pull` fetches it."
