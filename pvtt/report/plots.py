"""Curves and bars as SVG that takes on the page's text colour, in light and dark alike."""

from __future__ import annotations

import functools
import io
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pvtt.evaluation.contenders.all import measured_routes, others
from pvtt.records.evaluation import EvaluationMetrics
from pvtt.records.parts import PARTS
from pvtt.report.collect import TrainingHistory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PlottedT = TypeVar("PlottedT")

INK = "#0a0b0c"  # replaced by the page's own text colour
COLOURS = ("#2f7fd1", "#d9822b", "#2e9e6b", "#9a63c9", "#c8506a")  # readable on white and on near-black
MAX_POINTS = 600  # a curve
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.hashsalt": "pvtt",
}


def _styled(plot: Callable[[PlottedT], str]) -> Callable[[PlottedT], str]:
    """Draw within `STYLE`, which Matplotlib reads when each part is made."""

    @functools.wraps(plot)
    def styled(data: PlottedT) -> str:
        from matplotlib import rc_context

        with rc_context(STYLE):
            return plot(data)

    return styled


@_styled
def plot_losses(histories: Sequence[TrainingHistory]) -> str:
    """Training loss (pale: each step; strong: running median) and validation loss by noise level, as one SVG."""
    figure, (left, right) = _figure(2, 11.5, 3.1)
    offset = 0.0
    for index, history in enumerate(histories):
        if not history.steps:
            continue
        steps, losses = np.asarray(history.steps) + offset, np.asarray(history.losses)
        left.plot(*_thinned(steps, losses), color=COLOURS[index], alpha=0.25, linewidth=0.8)
        left.plot(*_thinned(steps, _running_median(losses)), color=COLOURS[index], linewidth=1.8, label=history.stage)
        for number, (sigma, points) in enumerate(history.validation.items()):
            xs, ys = np.asarray(points).T
            label = f"σ = {sigma:.2f}" if index == 0 else None
            right.plot(xs + offset, ys, marker="o", markersize=3, color=COLOURS[number % len(COLOURS)], label=label)
        offset += history.steps[-1]
    for axes, title in ((left, "Training loss"), (right, "Validation loss, fixed noise")):
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.15, color=INK)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    return _as_svg(figure, "Training and validation loss over the steps of both stages")


@_styled
def plot_contenders(metrics: EvaluationMetrics) -> str:
    """Product PSNR and identity retrieval of each contender, with intervals, as one SVG."""
    figure, (left, right) = _figure(2, 11.5, 3.4)
    beside = {
        contender.label: contender.name
        for contender in others(measured_routes(metrics))
        if not contender.optional or metrics.get("train", f"product_psnr_{contender.name}") is not None
    }
    _bars(left, metrics, {"model": "product_psnr"} | {k: f"product_psnr_{name}" for k, name in beside.items()})
    left.set_title("Product PSNR (dB)")
    identity = {label: f"identity_top1_{name}" for label, name in beside.items()}
    _bars(right, metrics, {"model": "identity_top1"} | identity | {"ground truth": "identity_top1_ground_truth"})
    right.set_title("Identity: own product found, and chance (dashed)")
    right.set_ylim(0, 1.05)
    for part, colour in zip(PARTS, COLOURS, strict=False):
        found = metrics.get(part, "identity_top1")
        if found is not None and found.value is not None and found.chance is not None:
            right.axhline(found.chance, color=colour, linestyle="--", linewidth=1)
    handles, labels = left.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(PARTS))
    return _as_svg(figure, "Product PSNR and identity retrieval of each contender, by split, and of transfers")


def _bars(axes: Axes, metrics: EvaluationMetrics, shown: Mapping[str, str]) -> None:
    width = 0.8 / len(PARTS)
    lowest = np.inf
    for index, (part, colour) in enumerate(zip(PARTS, COLOURS, strict=False)):
        places, values, errors = [], [], []
        for place, name in enumerate(shown.values()):
            metric = metrics.get(part, name)
            if metric is None or metric.value is None or metric.low is None or metric.high is None:
                continue
            places.append(place + (index - (len(PARTS) - 1) / 2) * width)
            values.append(metric.value)
            # A skewed bootstrap can leave the mean just outside its interval.
            errors.append((max(0, metric.value - metric.low), max(0, metric.high - metric.value)))
            lowest = min(lowest, metric.low)
        if places:
            axes.bar(places, values, width * 0.92, color=colour, label=part)
            axes.errorbar(places, values, np.transpose(errors), fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    axes.set_xticks(range(len(shown)), list(shown))
    axes.tick_params(axis="x", length=0)
    if np.isfinite(lowest) and lowest > 4:  # decibels: the difference matters, not the height above 0
        axes.set_ylim(bottom=float(np.floor(lowest - 2)))


def _figure(columns: int, width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure as NewFigure

    figure = NewFigure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def _thinned(xs: np.ndarray, ys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    step = max(1, len(xs) // MAX_POINTS)
    return xs[::step], ys[::step]


def _running_median(values: np.ndarray) -> np.ndarray:
    window = max(1, len(values) // 20)
    padded = np.pad(values, (window // 2, window - 1 - window // 2), mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, window), axis=1))


def _as_svg(figure: Figure, description: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Ids are unique in a page only if each plot has its own.
    prefix = f"p{zlib.crc32(description.encode())}"
    svg = re.sub(r'id="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)
