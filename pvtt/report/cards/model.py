"""The model card: what the model is, what it was trained on, what it reached and what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvtt.evaluation.metrics.all import METRICS
from pvtt.records.parts import Part
from pvtt.report.cards.data import dataset_name, licences_of
from pvtt.report.cards.licence import ASKS_NOTHING
from pvtt.report.collect import ReportInputs
from pvtt.report.grid import markdown_text, to_markdown
from pvtt.report.header import Facts
from pvtt.report.paper import paper_tables

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

PIPELINE_TAG = "video-to-video"
TAGS = ("product-video", "video-editing", "template-transfer", "wan")
PUBLISHED = {  # the last name of a base's folder → its name on the Hub
    "wan2.1-t2v-1.3b": "Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
    "wan2.1-t2v-14b": "Wan-AI/Wan2.1-T2V-14B-Diffusers",
    "wan2.1-i2v-14b": "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
    "cogvideox-2b": "THUDM/CogVideoX-2b",
    "cogvideox-5b": "THUDM/CogVideoX-5b",
}
NOT_PERMISSIVE = {  # bases whose licence goes with what is trained from them: its name on the Hub, and where it is
    "THUDM/CogVideoX-5b": ("cogvideox-license", "https://huggingface.co/THUDM/CogVideoX-5b/blob/main/LICENSE"),
}
EVALUATED: tuple[Part, ...] = ("test", "transfer")
LICENCE = "apache-2.0"  # of the code, of wan-tiny, of Wan2.1 and of CogVideoX-2B


def model_card(inputs: ReportInputs, here: Facts = ()) -> str:
    """The card as the `README.md` of the model's folder.

    Args:
        inputs: Of the run.
        here: What is so in this clone alone, as its commit; none in the card that DVC keeps.
    """
    from huggingface_hub import ModelCardData

    name = f"pvtt-{inputs.params.profile}-{inputs.run.run_id}"
    name_of, link = _licence(inputs)
    data = ModelCardData(
        license=LICENCE if name_of is None else "other",
        license_name=name_of,
        license_link=link,
        base_model=_base(inputs),
        library_name="diffusers",
        pipeline_tag=PIPELINE_TAG,
        tags=list(TAGS),
        datasets=[dataset_name(inputs)],
        metrics=[result.metric_type for result in _results(inputs, "test")],
        model_name=name,
        eval_results=[result for part in EVALUATED for result in _results(inputs, part)] or None,
    )
    sections = [
        f"# {name}",
        "Puts another product into a product video, from photos of it: same camera, same cuts, same style "
        f"({inputs.params.profile} profile). Verdict of its evaluation: **{inputs.decision.verdict}**. "
        f"{markdown_text(inputs.decision.reason)}",
        _use(inputs),
        _data(inputs),
        _training(inputs),
        _evaluation(inputs),
        _limits(inputs),
        _origin(inputs, here),
    ]
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n"


def _licence(inputs: ReportInputs) -> tuple[str | None, str | None]:
    """The name and place of a licence that asks for more than `LICENCE`, of the base or else of the data."""
    base = _base(inputs)
    if base in NOT_PERMISSIVE:
        return NOT_PERMISSIVE[base]
    is_free = set(licences_of(inputs)) <= ASKS_NOTHING
    return (None, None) if is_free else ("that-of-its-data", None)


def _base(inputs: ReportInputs) -> str | None:
    """The base's name on the Hub; None where it is not published there."""
    return PUBLISHED.get(inputs.params.model.base.rstrip("/").rpartition("/")[2].lower())


def _results(inputs: ReportInputs, part: Part) -> Iterator[EvalResult]:
    """The model's own metrics on a part that have a number, each with its interval and number of samples."""
    from huggingface_hub import EvalResult

    for score in METRICS:
        value = inputs.metrics.get(part, score.name)
        if value is not None and value.value is not None:
            yield EvalResult(
                task_type=PIPELINE_TAG,
                task_name="product transfer" if part == "transfer" else "product reconstruction",
                dataset_type=dataset_name(inputs),
                dataset_name=f"{dataset_name(inputs)}, {part}",
                dataset_split=part,
                dataset_revision=inputs.run.fingerprint.dataset_sha256,
                metric_type=score.name,
                metric_name=f"{score.label}, {score.unit}" if score.unit else score.label,
                metric_value=value.value,
                metric_args={"interval_95": [value.low, value.high], "num_samples": value.n},
            )


def _use(inputs: ReportInputs) -> str:
    encode = inputs.params.encode
    return (
        "## Use\n\n"
        f"Windows of {encode.width}×{encode.height} pixels and {encode.num_frames} frames; up to {encode.max_photos} "
        "photos of the product.\n\n"
        '```\npvtt generate --template film.mp4 --photos photo-*.jpg --prompt "a lime lotion bottle" '
        f"--model {inputs.run.model} -o new.mp4\n```\n\n"
        "Not for showing a product as something that it is not, and not for films or photos that one has no right to."
    )


def _data(inputs: ReportInputs) -> str:
    counts = ", ".join(f"{split} {clips} clips of {products}" for split, (products, clips) in inputs.counts.items())
    return (
        f"## Data\n\n{dataset_name(inputs)}: {counts} products; splits share no product. Its card is "
        f"[beside this one](../data/README.md). Licences of its media: {', '.join(licences_of(inputs))}."
    )


def _training(inputs: ReportInputs) -> str:
    train, model = inputs.params.train, inputs.params.model
    start = f"the champion {model.champion}" if train.start == "champion" else f"the base {model.base}"
    rows = [
        f"| {number} | {stage.steps} | {stage.batch_size * stage.gradient_accumulation} | {stage.lr:g} | "
        f"{stage.ema_decay:g} |"
        for number, stage in ((1, train.stage1), (2, train.stage2))
    ]
    return (
        f"## Training\n\nFlow matching, in two stages from {markdown_text(start)}: first the parts that condition it, "
        f"then the whole transformer. Conditioning: {', '.join(map(markdown_text, model.conditioning))}. Seed "
        f"{inputs.params.seed}.\n\n| stage | steps | samples a step | learning rate | EMA |\n"
        "| --- | ---: | ---: | ---: | ---: |\n" + "\n".join(rows)
    )


def _evaluation(inputs: ReportInputs) -> str:
    return f"## Evaluation\n\n{to_markdown(paper_tables(inputs.metrics), level=3).strip()}"


def _limits(inputs: ReportInputs) -> str:
    failed = [
        f"{one.part}: {one.label} is {one.value:.4g}, asked is {one.comparison} {one.target:g}"
        for one in inputs.decision.criteria
        if one.status == "fail" and one.value is not None
    ]
    unknown = [f"{one.part}: {one.label}: not measured" for one in inputs.decision.criteria if one.value is None]
    known = [*inputs.decision.beaten_by, *inputs.decision.lowered_targets, *failed, *unknown]
    lines = "\n".join(f"- {markdown_text(one)}" for one in known) or "- None that the evaluation has found."
    return (
        f"## Limits\n\n{lines}\n- Products of categories that it was not trained on are not measured: "
        f"{', '.join(sorted({markdown_text(one.category) for one in inputs.entries if one.split == 'train'}))} "
        "are those that it knows."
    )


def _origin(inputs: ReportInputs, here: Facts) -> str:
    mark = inputs.run.fingerprint
    facts = [
        *here,
        ("run", inputs.run.run_id),
        ("weights", f"sha256 {inputs.run.model_sha256}"),
        ("data", f"sha256 {mark.dataset_sha256}"),
        ("base's transformer", f"sha256 {mark.base_sha256}"),
        ("evaluator's code", mark.evaluator),
        ("evaluated on", f"{mark.device}, threads: {mark.num_threads}"),
    ]
    lines = "\n".join(f"- {markdown_text(name)}: {markdown_text(value)}" for name, value in facts)
    commit = (
        ""
        if here
        else "\n\nThe commit is the one whose `metrics/evaluate.json` has this run; `pvtt report --here` writes this "
        "card with the commit at hand into `.pvtt/report/cards`."
    )
    return (
        f"## How it was made\n\n{lines}{commit}\n\nAll params are in that commit's `params.yaml`, all versions of data "
        "and code in its `dvc.lock`: `dvc repro` makes these weights again."
    )
