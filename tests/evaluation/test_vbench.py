"""VBench through a real process, in an environment that speaks its launcher's language."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pvtt.errors import MissingInputError, PvttError
from pvtt.evaluation.metrics.vbench import METRICS, SAYS
from pvtt.evaluation.vbench import measure_videos, vbench_version, with_vbench
from pvtt.media.video import write_video
from pvtt.params.evaluate import VbenchParams
from pvtt.records.evaluation import EvaluatedSample
from tests.evaluation.clips import moving_box, noisy
from tests.evaluation.vbench_environment import make_environment, make_python

TWO = VbenchParams(dimensions=("temporal_flickering", "imaging_quality"))


def of(python: Path, params: VbenchParams = TWO) -> VbenchParams:
    return params.model_copy(update={"python": str(python)})


@pytest.fixture
def videos(tmp_path: Path) -> dict[str, Path]:
    truth, _ = moving_box(num_frames=3)
    paths = {"test.BOTT001_001.generated": tmp_path / "a.mp4", "test.BOTT001_001.ground_truth": tmp_path / "b.mp4"}
    for path, video in zip(paths.values(), (noisy(truth, 40), truth), strict=True):
        write_video(path, video, 12)
    return paths


def flickering(path: Path) -> float:
    """Of the video as OpenCV decodes it, which is what VBench reads with."""
    capture = cv2.VideoCapture(str(path))
    video = np.stack([capture.read()[1] for _ in range(3)]).astype(float)
    return float(1 - np.abs(np.diff(video, axis=0)).mean() / 255)


def test_each_video_has_its_figure_of_one_whatever_the_dimension_is_of(videos: dict[str, Path], tmp_path: Path) -> None:
    found = measure_videos(tmp_path, of(make_environment(tmp_path / "vbench")), videos)
    assert list(found) == ["temporal_flickering", "imaging_quality"]
    for values in found.values():
        assert values == {name: pytest.approx(flickering(path), abs=1e-6) for name, path in videos.items()}
    assert (
        found["imaging_quality"]["test.BOTT001_001.generated"]
        < found["imaging_quality"]["test.BOTT001_001.ground_truth"]
    )


def test_samples_get_the_figures_of_their_output_and_their_truth(videos: dict[str, Path], tmp_path: Path) -> None:
    sample = EvaluatedSample(
        split="test",
        product_id="BOTT001",
        clip_id="001",
        category="bottle",
        caption="",
        swapped_product_id=None,
        photo_paths=(),
        videos={name.split(".")[-1]: path.name for name, path in videos.items()},
        metrics={"psnr": 20.0},
    )
    names = {f"{metric.name}{last}" for metric in METRICS for last in ("", "_ground_truth")}
    (without,) = with_vbench([sample], tmp_path, tmp_path, VbenchParams())
    assert without.metrics == {"psnr": 20.0} | dict.fromkeys(names)
    python = make_environment(tmp_path / "vbench")
    (measured,) = with_vbench([sample], tmp_path, tmp_path, of(python.relative_to(tmp_path)))
    assert set(measured.metrics) == names | {"psnr"}
    assert {name for name, value in measured.metrics.items() if value is not None} == {
        "psnr",
        *(f"vbench_{one}{last}" for one in TWO.dimensions for last in ("", "_ground_truth")),
    }
    output, truth = (measured.metrics[f"vbench_imaging_quality{last}"] for last in ("", "_ground_truth"))
    assert output is not None
    assert truth is not None
    assert output < truth < 1


def test_all_dimensions_are_asked_for_at_once_and_all_have_words(videos: dict[str, Path], tmp_path: Path) -> None:
    found = measure_videos(tmp_path, of(make_environment(tmp_path / "vbench"), VbenchParams()), videos)
    assert set(found) == set(SAYS)
    assert all(set(values) == set(videos) for values in found.values())


@pytest.mark.parametrize(
    ("fault", "end", "message"),
    [
        ("print('no GPU', file=sys.stderr); sys.exit(3)", None, "exit code 3: no GPU"),
        ("os.kill(os.getpid(), 9)", None, "exit code -9: it said nothing"),
        ("sys.exit(0)", None, r"VBench wrote no \*_eval_results\.json"),
        ("", 100, "results cannot be read"),
        ("", 0, "results cannot be read"),
        ("results = [results]", None, "results have another format"),
        ("results = {name: one[0] for name, one in results.items()}", None, "another format: .*temporal_flickering"),
        ("results['imaging_quality'][1][0]['video_results'] = 'good'", None, "another format: .*imaging_quality"),
        ("del results['imaging_quality']", None, "results lack imaging_quality"),
        ("results['imaging_quality'][1][0]['video_path'] = 'x.mp4'", None, "imaging_quality is of a video .*: x"),
    ],
)
def test_what_goes_wrong_is_said(
    videos: dict[str, Path], tmp_path: Path, fault: str, end: int | None, message: str
) -> None:
    with pytest.raises(PvttError, match=message) as error:
        measure_videos(tmp_path, of(make_environment(tmp_path / "vbench", fault, end)), videos)
    assert "evaluate.vbench" in (error.value.hint or "")


def test_a_video_that_is_left_out_or_has_no_number_is_not_measured(videos: dict[str, Path], tmp_path: Path) -> None:
    fault = (
        "del results['imaging_quality'][1][0]; "
        "[one.update(video_results=float('nan')) for one in results['temporal_flickering'][1][:1]]"
    )
    found = measure_videos(tmp_path, of(make_environment(tmp_path / "vbench", fault)), videos)
    assert {name: len(values) for name, values in found.items()} == {"temporal_flickering": 1, "imaging_quality": 1}


def test_the_version_is_the_environments_own_and_asked_before_anything_is_made(tmp_path: Path) -> None:
    assert vbench_version(tmp_path, VbenchParams()) is None
    assert vbench_version(tmp_path, of(make_environment(tmp_path / "vbench"))) == "0.1.5"
    with pytest.raises(MissingInputError, match=r"has no VBench: .*PackageNotFoundError"):
        vbench_version(tmp_path, of(make_python(tmp_path / "empty")))
    with pytest.raises(MissingInputError, match=r"evaluate\.vbench\.python: .*none is no program"):
        vbench_version(tmp_path, of(tmp_path / "none"))
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(MissingInputError, match="cannot be run"):
        vbench_version(tmp_path, of(broken))


def test_nothing_is_asked_twice() -> None:
    with pytest.raises(ValueError, match="more than once"):
        VbenchParams(dimensions=("imaging_quality", "imaging_quality"))
