"""Runs a VBench that is installed elsewhere, over videos of this project, and reads what it found.

VBench has requirements that do not go with this project's, so it has an environment of its own. It is called as its
own launcher is, one process for all dimensions (its command `vbench evaluate` takes one at a time, and ends well even
where the work failed):

    <python> -m vbench.launch.evaluate --mode custom_input --videos_path FLAT --output_path OUT --dimension A B …

It needs an NVIDIA GPU. What it downloads on its first run, it keeps in `~/.cache/vbench`.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pvtt.errors import MissingInputError, PvttError
from pvtt.evaluation.metrics.vbench import SAYS, name_of
from pvtt.evaluation.scores import GROUND_TRUTH
from pvtt.files.atomic import scratch_directory
from pvtt.params.evaluate import VbenchDimension, VbenchParams
from pvtt.records.base import first_fault
from pvtt.records.evaluation import EvaluatedSample

KEY = "evaluate.vbench.python"
HINT = f"install VBench in an environment of its own and name its Python, or set {KEY} to null: not measured"
RESULTS = "*_eval_results.json"  # the file's name begins with the time
PERCENT: frozenset[VbenchDimension] = frozenset({"imaging_quality"})  # a video's figure is of 100, their mean of 1
SUBJECTS: Mapping[str, str] = {"generated": "", GROUND_TRUTH: f"_{GROUND_TRUTH}"}  # video → its metric's last part
LAST_WORDS = 3  # lines of a failed run that an error repeats


class _OfVideo(BaseModel):
    """A video's figure. Some dimensions have more to say of it."""

    model_config = ConfigDict(extra="ignore", strict=True)

    video_path: str
    video_results: float


_Result = tuple[float, list[_OfVideo]]  # the mean, and each video
_RESULTS: TypeAdapter[dict[str, _Result]] = TypeAdapter(dict[str, _Result])


def vbench_version(root: Path, params: VbenchParams) -> str | None:
    """The version of the VBench that the params name; None where they name none.

    Raises:
        MissingInputError: There is no such Python, or it has no VBench.
    """
    if params.python is None:
        return None
    command = [_python(root, params.python), "-c", "import importlib.metadata as m; print(m.version('vbench'))"]
    answer = _run(command, root)
    if answer.returncode != 0 or not answer.stdout.strip():
        raise MissingInputError(f"{KEY}: {params.python} has no VBench: {_last_words(answer)}", HINT)
    return answer.stdout.strip()


def measure_videos(
    root: Path, params: VbenchParams, videos: Mapping[str, Path]
) -> dict[VbenchDimension, dict[str, float]]:
    """Each dimension's figure of each video, 1 at best; a video that VBench leaves out is missing.

    Args:
        root: What a relative path of the Python is relative to.
        params: Which VBench, and which dimensions.
        videos: Files by names that are file names themselves.

    Raises:
        MissingInputError: There is no such Python.
        PvttError: VBench failed, or what it wrote is not its own format or lacks a dimension.
    """
    if params.python is None or not videos or not params.dimensions:
        return {}
    with scratch_directory() as place:
        flat, out = place / "videos", place / "out"
        flat.mkdir()
        for name, path in videos.items():
            (flat / f"{name}.mp4").symlink_to(path.resolve())
        where = ["--mode", "custom_input", "--videos_path", str(flat), "--output_path", str(out)]
        module = ["-m", "vbench.launch.evaluate"]
        answer = _run([_python(root, params.python), *module, *where, "--dimension", *params.dimensions], place)
        if answer.returncode != 0:
            raise PvttError(
                f"VBench ended with exit code {answer.returncode}: {_last_words(answer)}",
                f"mend it, or set {KEY} to null; what was generated is kept for the next run",
            )
        found = sorted(out.glob(RESULTS))
        if not found:
            raise PvttError(f"VBench wrote no {RESULTS}: {_last_words(answer)}", HINT)
        results = _read(found[-1], params.dimensions)
    return {dimension: _by_name(dimension, results[dimension], videos) for dimension in params.dimensions}


def with_vbench(
    samples: Sequence[EvaluatedSample], out: Path, root: Path, params: VbenchParams
) -> list[EvaluatedSample]:
    """Samples with VBench's figures of their output and of their ground truth, None where there is none.

    Of several generations the first is measured, which is the one that is saved.

    Args:
        samples: With all their videos.
        out: What the videos' paths are relative to.
        root: As `measure_videos`, which says what is raised.
        params: As `measure_videos`.
    """
    names = {
        (sample.part, sample.key, subject): f"{sample.part}.{sample.key}.{subject}"
        for sample in samples
        for subject in SUBJECTS
    }
    paths = {
        names[sample.part, sample.key, subject]: out / sample.videos[subject]
        for sample in samples
        for subject in SUBJECTS
    }
    found = measure_videos(root, params, paths)

    def values(sample: EvaluatedSample) -> dict[str, float | None]:
        return {
            name_of(dimension) + suffix: found.get(dimension, {}).get(names[sample.part, sample.key, subject])
            for dimension in SAYS
            for subject, suffix in SUBJECTS.items()
        }

    return [sample.model_copy(update={"metrics": sample.metrics | values(sample)}) for sample in samples]


def _python(root: Path, path: str) -> str:
    """Not resolved: the link of an environment says which one it is."""
    python = (root / Path(path).expanduser()).absolute()
    if not python.is_file() or not os.access(python, os.X_OK):
        raise MissingInputError(f"{KEY}: {python} is no program", HINT)
    return str(python)


def _run(command: Sequence[str], where: Path) -> subprocess.CompletedProcess[str]:
    """With none of this environment's own modules: the other Python must find its own."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        return subprocess.run(
            command,
            cwd=where,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise MissingInputError(f"{KEY}: {command[0]} cannot be run: {error.strerror}", HINT) from None


def _last_words(answer: subprocess.CompletedProcess[str]) -> str:
    said = [line.strip() for line in (answer.stderr or answer.stdout).splitlines() if line.strip()]
    return " / ".join(said[-LAST_WORDS:]) or "it said nothing"


def _read(path: Path, dimensions: Sequence[VbenchDimension]) -> dict[str, _Result]:
    hint = f"this reads VBench 0.1.5's format; install that version, or set {KEY} to null"
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        results = _RESULTS.validate_python(data)
    except ValidationError as error:
        raise PvttError(f"VBench's results have another format: {first_fault(error)}", hint) from None
    except ValueError as error:  # no JSON, or no UTF-8
        raise PvttError(f"VBench's results cannot be read: {error}", hint) from None
    lacking = [dimension for dimension in dimensions if dimension not in results]
    if lacking:
        raise PvttError(f"VBench's results lack {', '.join(lacking)}", "ask for others in evaluate.vbench.dimensions")
    return results


def _by_name(dimension: VbenchDimension, result: _Result, videos: Mapping[str, Path]) -> dict[str, float]:
    scale = 100.0 if dimension in PERCENT else 1.0
    found = {Path(one.video_path).stem: one.video_results / scale for one in result[1]}
    strange = sorted(found.keys() - videos.keys())
    if strange:
        raise PvttError(f"VBench's {dimension} is of a video that it was not given: {strange[0]}", HINT)
    return {name: value for name, value in found.items() if math.isfinite(value)}
