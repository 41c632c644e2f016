"""The report's sections as HTML. Every text from outside goes through `escape`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from pvtt.decision.text import MARKS, format_interval, format_number
from pvtt.records.dataset import SPLITS
from pvtt.records.decision import Criterion
from pvtt.records.evaluation import EvaluatedSample, EvaluationMetrics, MetricStatus, MetricValue
from pvtt.report.collect import ReportInputs
from pvtt.report.glossary import GROUPS, MEANINGS
from pvtt.report.media import photo_uri, video_uri
from pvtt.report.plots import plot_conditions, plot_losses

VERDICTS = {
    "success": "Success",
    "overfit": "Overfit",
    "capacity": "Too little capacity",
    "diverged": "Diverged",
    "flicker": "Flicker",
    "incomplete": "Incomplete",
}
STATUS_TEXT: dict[MetricStatus, str] = {
    "pass": "pass",
    "fail": "fail",
    "measured": "",
    "not_measured": "not measured",
    "too_few": "too few samples",
}
SIGNS = {">": "&gt;", ">=": "≥", "<": "&lt;", "<=": "≤"}
COLUMNS = (("ground_truth", "template"), ("masked", "mask (grey)"), ("photos", "photos"), ("generated", "output"))
WORST_COLUMNS = ("product_psnr", "product_psnr_swapped", "product_delta_e", "relative_flow_warp_error", "identity_top1")
NUM_WORST = 3
NUM_PHOTOS = 4
NUM_EXAMPLES = 3  # rejects shown a reason


def _table(head: Iterable[str], body: str) -> str:
    """A table that scrolls by itself on a narrow screen. `body` is HTML."""
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return f"<div class='scroll'><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"


def header(inputs: ReportInputs) -> str:
    """Verdict, why, and what was evaluated."""
    decision, counts = inputs.decision, inputs.counts
    facts = [
        ("run", decision.run_id),
        ("profile", inputs.params.profile),
        ("model", f"{inputs.run.model} ({inputs.run.model_sha256[:12]})"),
        ("products (clips)", " · ".join(f"{s} {products} ({clips})" for s, (products, clips) in counts.items())),
    ]
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f"""
<header>
  <p class="kicker">Product video template transfer</p>
  <h1><span class="verdict {decision.verdict}">{VERDICTS[decision.verdict]}</span></h1>
  <p class="reason">{escape(decision.reason)}</p>
  <dl class="facts">{items}</dl>
</header>"""


def criteria(inputs: ReportInputs) -> str:
    """The criteria table and the next steps."""
    decision = inputs.decision
    rows = "".join(_criterion_row(criterion) for criterion in decision.criteria)
    ratings = ""
    if decision.ratings is not None:
        summary = decision.ratings
        alpha = "" if summary.agreement is None else f", Krippendorff's α {summary.agreement:.2f}"
        ratings = (
            f"<p class='note'>Ratings: {summary.num_ratings} by {summary.num_raters} raters, "
            f"{summary.num_videos} of {summary.num_videos_to_rate} videos rated{alpha}.</p>"
        )
    steps = "".join(
        f"<li><p>{escape(step.text)}</p><div class='command'><code>{escape(step.command)}</code>"
        "<button type='button' class='copy'>Copy</button></div></li>"
        for step in decision.next_steps
    )
    return f"""
<section id="decision">
  <h2>Decision</h2>
  {_table(("criterion", "split", "target", "value", "95 % interval", "", "status"), rows)}{ratings}
  <h3>Next steps</h3>
  <ol class="steps">{steps}</ol>
</section>"""


def _criterion_row(criterion: Criterion) -> str:
    bound = "" if criterion.bound == "value" else f" <small>({criterion.bound} end)</small>"
    return (
        f"<tr><th scope='row'>{escape(criterion.label)}</th><td>{criterion.split}</td>"
        f"<td class='number'>{SIGNS[criterion.comparison]}&nbsp;{criterion.target:g}{bound}</td>"
        f"<td class='number'><b>{format_number(criterion.value)}</b></td>"
        f"<td class='number'>{format_interval(criterion.low, criterion.high)}</td><td>{_gauge(criterion)}</td>"
        f"<td><span class='status {criterion.status}'>{MARKS[criterion.status].lower()}</span></td></tr>"
    )


def _gauge(criterion: Criterion) -> str:
    """Value and interval on a line, with the target as an upright stroke."""
    if criterion.value is None:
        return ""
    low = criterion.value if criterion.low is None else criterion.low
    high = criterion.value if criterion.high is None else criterion.high
    least, most = min(low, criterion.value, criterion.target), max(high, criterion.value, criterion.target)
    span = (most - least) or 1.0

    def place(value: float) -> float:
        return round(8 + 104 * (value - least) / span, 1)

    colour = "var(--good)" if criterion.status == "pass" else "var(--bad)"
    return (
        "<svg class='gauge' viewBox='0 0 120 18' aria-hidden='true'>"
        f"<line x1='{place(criterion.target)}' x2='{place(criterion.target)}' y1='1' y2='17' class='target'/>"
        f"<line x1='{place(low)}' x2='{place(high)}' y1='9' y2='9' stroke='{colour}' stroke-width='3' opacity='.45'/>"
        f"<circle cx='{place(criterion.value)}' cy='9' r='4' fill='{colour}'/></svg>"
    )


def videos(inputs: ReportInputs, embedded: set[str]) -> str:
    """Videos of every split, side by side."""
    parts = []
    for split in ("test", "val", "train"):
        rows = [_video_row(inputs, s) for s in inputs.samples if s.split == split and s.to_rate and s.key in embedded]
        if rows:
            parts.append(f"<h3>{split}{_split_note(split)}</h3>" + "".join(rows))
    hidden = sum(bool(sample.videos) and sample.key not in embedded for sample in inputs.samples)
    note = (
        f"<p class='note'>{hidden} more in outs/evaluate/videos, left out to keep this page small.</p>"
        if hidden
        else ""
    )
    shown = "".join(parts) or "<p class='note'>No videos were saved (evaluate.save_videos).</p>"
    return f"""
<section id="videos">
  <h2>Videos</h2>
  <p class="note">Left to right: the template, what the model sees of it, the product's photos, the output, and the
  output when another product's photos are given. A model that ignores its photos shows the same twice.</p>
  {shown}{note}
</section>"""


def _split_note(split: str) -> str:
    return {"test": " — products never seen in training", "val": " — held out", "train": " — seen in training"}[split]


def worst_cases(inputs: ReportInputs, embedded: set[str]) -> str:
    """The test samples with the lowest product PSNR."""
    ranked = sorted(
        (
            sample
            for sample in inputs.samples
            if sample.split == "test" and sample.metrics.get("product_psnr") is not None
        ),
        key=lambda sample: sample.metrics["product_psnr"] or 0,
    )
    # Those to rate are shown above already; their videos stand in the page once.
    rows = "".join(_video_row(inputs, one) for one in ranked[:NUM_WORST] if one.key in embedded and not one.to_rate)
    table = "".join(
        f"<tr><th scope='row'>{_link(sample, embedded)}</th><td>{escape(sample.category)}</td>"
        + "".join(f"<td class='number'>{format_number(sample.metrics.get(name))}</td>" for name in WORST_COLUMNS)
        + "</tr>"
        for sample in ranked
    )
    head = ("sample", "category", *(MEANINGS[name].label for name in WORST_COLUMNS))
    if not ranked:
        return ""
    return f"""
<section id="worst">
  <h2>Worst cases</h2>
  <p class="note">Test samples by product PSNR, the lowest first. Names lead to the videos.</p>
  {rows}
  {_table(head, table)}
</section>"""


def _link(sample: EvaluatedSample, embedded: set[str]) -> str:
    key = escape(sample.key)
    return f"<a href='#{key}'>{key}</a>" if sample.key in embedded else key


def _video_row(inputs: ReportInputs, sample: EvaluatedSample) -> str:
    cells = []
    for name, label in (
        ("ground_truth", "template"),
        ("masked", "mask (grey)"),
        ("photos", "photos"),
        ("generated", "output"),
    ):
        content = _photos(inputs, sample.photo_paths) if name == "photos" else _video(inputs, sample, name, label)
        cells.append(f"<figure>{content}<figcaption>{label}</figcaption></figure>")
    if "swapped" in sample.videos:
        partner = escape(sample.swapped_product_id or "")
        inset = _photos(inputs, sample.swapped_photo_paths[:1], "inset")
        cells.append(
            f"<figure><div class='stack'>{_video(inputs, sample, 'swapped', 'output with swapped photos')}{inset}</div>"
            f"<figcaption>swapped: {partner}</figcaption></figure>"
        )
    chips = "".join(
        f"<span class='chip'>{escape(label)} <b>{format_number(sample.metrics.get(name))}</b>{unit}</span>"
        for name, label, unit in (
            ("product_psnr", "product PSNR", " dB"),
            ("swap_gain", "over swapped", " dB"),
            ("product_delta_e", "ΔE", ""),
            ("relative_flow_warp_error", "flicker", " ×"),
        )
        if sample.metrics.get(name) is not None
    )
    caption = escape(sample.caption or sample.category)
    return f"""
<article class="row" id="{escape(sample.key)}">
  <div class="head"><b>{escape(sample.key)}</b> <span title="{caption}">{caption}</span>{chips}</div>
  <div class="cells">{"".join(cells)}</div>
  <div class="controls"><button type="button" class="play" aria-label="Pause {escape(sample.key)}">Pause</button>
  <input type="range" min="0" max="1000" value="0" aria-label="Position in {escape(sample.key)}"></div>
</article>"""


def _video(inputs: ReportInputs, sample: EvaluatedSample, name: str, label: str) -> str:
    uri = video_uri(inputs.videos / sample.videos[name])
    title = f"{label} of {escape(sample.key)}"
    return f"<video src='{uri}' muted playsinline loop controls preload='auto' aria-label='{title}'></video>"


def _photos(inputs: ReportInputs, paths: Sequence[str], kind: str = "photos") -> str:
    existing = [path for path in paths[:NUM_PHOTOS] if (inputs.root / path).is_file()]
    images = "".join(
        f"<img src='{photo_uri(inputs.root / path)}' alt='product photo {number}'>"
        for number, path in enumerate(existing, start=1)
    )
    return f"<div class='{kind}'>{images}</div>"


def leak(inputs: ReportInputs) -> str:
    """Whether the photos matter, as bars and in words."""
    gains = {split: inputs.metrics.get(split, "swap_gain") for split in SPLITS}
    words = [_gain_in_words(split, gain) for split, gain in gains.items() if gain is not None]
    return f"""
<section id="leak">
  <h2>Does it use the photos?</h2>
  <p>A model that ignores its photos can have a good-looking loss. So each sample is generated again from the same noise
  with another product's photos, and without any: both must take the output away from the true product.</p>
  <ul>{"".join(f"<li>{word}</li>" for word in words)}</ul>
  <div class="plot">{plot_conditions(inputs.metrics)}</div>
</section>"""


def _gain_in_words(split: str, gain: MetricValue) -> str:
    if gain.value is None or gain.low is None:
        return f"<b>{split}</b>: {STATUS_TEXT[gain.status]}."
    answer = "yes" if gain.low > 0 else "not shown"
    interval = format_interval(gain.low, gain.high)
    cost = f"Swapping the photos costs {format_number(gain.value)} dB {interval} of product PSNR (n = {gain.n})."
    return f"<b>{split}</b>: {answer}. {cost}"


def curves(inputs: ReportInputs) -> str:
    """Loss curves."""
    return f"""
<section id="curves">
  <h2>Training</h2>
  <div class="plot">{plot_losses(inputs.histories)}</div>
</section>"""


def metrics(inputs: ReportInputs) -> str:
    """Every metric on every split."""
    body = "".join(
        f"<tr class='group'><th colspan='{2 + len(SPLITS)}' scope='rowgroup'>{escape(title)}</th></tr>"
        + "".join(_metric_row(inputs.metrics, name) for name in names)
        for title, names in GROUPS
    )
    return f"""
<section id="metrics">
  <h2>Metrics</h2>
  <p class="note">Mean over samples, with the 95 % interval of a bootstrap over products. ↑ higher is better, ↓ lower is
  better.</p>
  {_table(("metric", "target", *SPLITS), body)}
</section>"""


def _metric_row(metrics: EvaluationMetrics, name: str) -> str:
    meaning = MEANINGS[name]
    found = [metrics.get(split, name) for split in SPLITS]
    target = next((metric.target for metric in found if metric is not None and metric.target is not None), None)
    unit = f" <small>{escape(meaning.unit)}</small>" if meaning.unit else ""
    shown = "" if target is None else format_number(target)
    if name == "identity_top1":
        shown = "chance"
    title = f"{escape(meaning.label)} {meaning.better}{unit}<br><small>{escape(meaning.explanation)}</small>"
    return (
        f"<tr><th scope='row'>{title}</th>"
        f"<td class='number'>{shown}</td>{''.join(_metric_cell(metric) for metric in found)}</tr>"
    )


def _metric_cell(metric: MetricValue | None) -> str:
    if metric is None:
        return "<td></td>"
    if metric.value is None:
        return f"<td><span class='status {metric.status}'>{STATUS_TEXT[metric.status]}</span></td>"
    chance = "" if metric.chance is None else f", chance {format_number(metric.chance)}"
    status = STATUS_TEXT[metric.status]
    mark = f" <span class='status {metric.status}'>{status}</span>" if status else ""
    return (
        f"<td class='number'><b>{format_number(metric.value)}</b>{mark}<br>"
        f"<small>{format_interval(metric.low, metric.high)}, n = {metric.n}{chance}</small></td>"
    )


def rejects(inputs: ReportInputs) -> str:
    """What the data stages turned away, by reason."""
    counts = Counter((reject.stage, reject.reason, reject.failed) for reject in inputs.rejects)
    rows = "".join(
        f"<tr><th scope='row'>{escape(stage)}</th><td><code>{escape(reason)}</code>"
        f"{' <span class=status>error</span>' if failed else ''}</td><td class='number'>{count}</td>"
        f"<td>{_examples(inputs, stage, reason)}</td></tr>"
        for (stage, reason, failed), count in sorted(counts.items())
    )
    table = "<p class='note'>Nothing was turned away.</p>"
    if rows:
        table = _table(("stage", "reason", "items", "for example"), rows)
    return f"""
<section id="data">
  <h2>Data turned away</h2>
  {table}
</section>"""


def _examples(inputs: ReportInputs, stage: str, reason: str) -> str:
    matching = [reject for reject in inputs.rejects if (reject.stage, reject.reason) == (stage, reason)]
    return "<br>".join(
        f"<small><b>{escape(reject.item)}</b> {escape(reject.message)}</small>" for reject in matching[:NUM_EXAMPLES]
    )


def method(inputs: ReportInputs) -> str:
    """How it was measured: scores compare only where this is equal."""
    mark = inputs.run.fingerprint
    protocol = _definitions((name, "–" if value is None else str(value)) for name, value in mark.protocol.items())
    weights = _definitions((name, "missing: not measured" if h is None else h[:12]) for name, h in mark.weights.items())
    versions = _definitions(mark.versions.items())
    checks = "".join(f"<li>{escape(check)}</li>" for check in inputs.run.certified)
    return f"""
<section id="method">
  <h2>How it was measured</h2>
  <p class="note">Scores of two runs compare only where all of this is equal.</p>
  <details><summary>Protocol</summary>{protocol}</details>
  <details><summary>Networks that measure</summary>{weights}</details>
  <details><summary>Versions, on {escape(mark.device)}, threads: {mark.num_threads}</summary>{versions}</details>
  <details><summary>{len(inputs.run.certified)} checks that the evaluator passed on itself</summary>
  <ul>{checks}</ul></details>
</section>"""


def _definitions(pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)
    return f"<dl class='facts'>{rows}</dl>"
