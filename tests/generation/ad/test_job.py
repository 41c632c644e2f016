"""A whole ad, from files to files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

import pvtt
from pvtt.errors import MissingInputError, PvttError, StorageError
from pvtt.generation.ad import job, making
from pvtt.generation.ad.record import AdRecord
from pvtt.generation.ad.refusal import AdError
from pvtt.generation.ad.template import read_template
from pvtt.generation.ad.write import AdWriter
from pvtt.media.arrays import Frame
from pvtt.media.video import VideoError, read_video
from tests.forked import fork
from tests.generation.ad.films import (
    HEIGHT,
    SHOT,
    WIDTH,
    disc_shot,
    packets,
    two_products_shot,
    write_film,
    write_model,
    write_photos,
    write_template,
)


@dataclass(frozen=True)
class Ad:
    """An ad that was made, with what it was made of.

    Args:
        folder: Of all files.
        record: As returned.
        frames: As they were handed to the encoder.
    """

    folder: Path
    record: AdRecord
    frames: list[Frame]

    @property
    def template(self) -> Path:
        return self.folder / "ad.mp4"

    @property
    def output(self) -> Path:
        return self.folder / "new.mp4"

    @property
    def photos(self) -> list[Path]:
        return sorted(self.folder.glob("photo-*.png"))

    @property
    def model(self) -> Path:
        return self.folder / "model"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def ad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ad]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("ad")
    template, photos, model = write_template(folder / "ad.mp4"), write_photos(folder), write_model(folder)
    frames: list[Frame] = []
    own_write = AdWriter.write

    def write(writer: AdWriter, frame: Frame) -> None:
        if frame.shape == (HEIGHT, WIDTH, 3):  # of the ad, not of the film beside its template
            frames.append(frame.copy())
        own_write(writer, frame)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PVTT_CACHE_DIR", str(folder / "cache"))
        patch.setattr(AdWriter, "write", write)
        record = pvtt.generate(template, photos, folder / "new.mp4", model=model, prompt="a blue box", seed=3)
        patch.undo()
        patch.setenv("PVTT_CACHE_DIR", str(folder / "cache"))
        yield Ad(folder, record, frames)


def test_the_product_is_replaced_in_the_shots_that_show_it(ad: Ad) -> None:
    assert [shot.num_frames for shot in ad.record.shots] == [SHOT] * 3
    assert [shot.generated for shot in ad.record.shots] == [True, False, True]
    assert [shot.product for shot in ad.record.shots if shot.generated] == ["A", "A"]
    assert ad.record.shots[1].reason
    assert [shot.windows for shot in ad.record.shots] == [4, 0, 4]  # 14 frames, 4 new ones a window
    assert all(shot.change is not None and shot.change > 5 for shot in ad.record.shots if shot.generated)


def test_outside_the_region_the_decoded_template_is_untouched_to_the_bit(ad: Ad) -> None:
    template = read_video(ad.template)
    assert len(ad.frames) == len(template)
    for shot in ad.record.shots:
        span = slice(shot.first_frame, shot.first_frame + shot.num_frames)
        changed = (np.stack(ad.frames[span]) != template[span]).any(axis=-1)
        if not shot.generated:
            assert not changed.any()
            continue
        assert shot.region is not None
        left, top, width, height = shot.region
        assert changed[shot.num_frames // 2].any()
        outside = changed[shot.num_frames // 2].copy()
        outside[top : top + height, left : left + width] = False
        assert not outside.any()
        assert not changed[:, :, : left - SHOT].any()  # the region moves with the disc, a pixel a frame


def test_times_length_and_sound_are_the_templates(ad: Ad) -> None:
    made, template = read_template(ad.output), read_template(ad.template)
    assert made.times == template.times
    assert made.end == template.end
    assert len({after - before for before, after in zip(template.times, template.times[1:], strict=False)}) > 1
    assert ad.record.time_shift_s == 0
    assert packets(ad.output, "audio") == packets(ad.template, "audio")


def test_cuts_stay_where_they_were(ad: Ad) -> None:
    assert read_template(ad.output).shots == read_template(ad.template).shots


def test_the_film_says_that_a_model_made_it(ad: Ad) -> None:
    with av.open(str(ad.output)) as container:
        fields = dict(container.metadata)
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    assert fields["DigitalSourceType"].endswith("compositeWithTrainedAlgorithmicMedia")
    assert fields["comment"].startswith("AI-generated")
    aigc = json.loads(fields["AIGC"])
    assert (aigc["Label"], aigc["ContentProducer"], aigc["ProduceID"]) == ("1", "pvtt", ad.record.produce_id)
    assert len(ad.record.produce_id) == 64


def test_the_number_in_the_label_is_that_of_what_went_in_wherever_it_lies(ad: Ad, tmp_path: Path) -> None:
    moved = shutil.copytree(ad.model, tmp_path / "model")
    again = pvtt.generate(ad.template, ad.photos, model=moved, prompt="a blue box", seed=3, dry_run=True)
    assert again.model.path != ad.record.model.path
    assert again.produce_id == ad.record.produce_id
    other = pvtt.generate(ad.template, ad.photos, model=ad.model, prompt="a blue box", seed=4, dry_run=True)
    named = pvtt.generate(
        ad.template, ad.photos, model=ad.model, prompt="a blue box", seed=3, producer="shop-7", dry_run=True
    )
    assert len({ad.record.produce_id, other.produce_id, named.produce_id}) == 3


def test_a_visible_label_changes_its_box_on_every_frame_and_nothing_else(
    ad: Ad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[Frame] = []
    own_write = AdWriter.write

    def write(writer: AdWriter, frame: Frame) -> None:
        frames.append(frame.copy())
        own_write(writer, frame)

    monkeypatch.setattr(AdWriter, "write", write)
    record = pvtt.generate(
        ad.template, ad.photos, tmp_path / "new.mp4", model=ad.model, prompt="a blue box", seed=3,
        label="AI generated", producer="shop-7", compare=False,
    )  # fmt: skip
    assert (record.visible_label, record.producer) == ("AI generated", "shop-7")
    changed = (np.stack(frames) != np.stack(ad.frames)).any(axis=-1)
    rows, columns = (np.flatnonzero(changed.any(axis=(0, axis))) for axis in (2, 1))
    inside = changed[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert 0.05 * HEIGHT <= inside.shape[1] < 0.2 * HEIGHT
    assert inside.shape[2] < 0.5 * WIDTH
    assert inside.mean(axis=(1, 2)).min() > 0.9  # on each frame, also of the shot that nothing was generated in
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.json", "new.mp4", "new.png"]

    monkeypatch.setattr(AdWriter, "write", own_write)
    again = job.repeat(tmp_path / "new.json", tmp_path / "again.mp4", compare=False)
    assert again == record
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "new.mp4").read_bytes()


def test_the_film_beside_its_template_is_written_by_default(ad: Ad) -> None:
    beside, film, template = (
        read_video(ad.folder / name).astype(np.int16) for name in ("new.compare.mp4", "new.mp4", "ad.mp4")
    )
    assert beside.shape == (len(film), HEIGHT, 2 * WIDTH + 4, 3)
    assert abs(beside[:, :, :WIDTH] - template).mean() < 3
    assert abs(beside[:, :, -WIDTH:] - film).mean() < 3
    assert packets(ad.folder / "new.compare.mp4", "audio") == packets(ad.template, "audio")
    with av.open(str(ad.folder / "new.compare.mp4")) as container:
        assert json.loads(container.metadata["AIGC"])["ProduceID"] != ad.record.produce_id


def test_a_label_that_cannot_be_drawn_is_found_out_before_the_work(ad: Ad, tmp_path: Path) -> None:
    for words, says in (
        ({"label": "AI生成"}, "has no 成 生"),
        ({"label_font": tmp_path / "font.ttf"}, "no label"),
        ({"label": "AI generated " * 9}, "pixels wide"),
        ({"producer": "my shop"}, "not what GB 45438-2025 takes"),
    ):
        with pytest.raises(PvttError, match=says):
            pvtt.generate(ad.template, ad.photos, tmp_path / "new.mp4", model=ad.model, **words)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_record_and_the_sheet_lie_beside_the_film(ad: Ad) -> None:
    record = AdRecord.from_json((ad.folder / "new.json").read_bytes())
    assert record == ad.record
    assert record.settings.seed == 3
    assert record.steps == 2  # of the model's training/params.yaml
    sheet = cv2.imread(str(ad.folder / "new.png"))
    assert sheet is not None
    assert sheet.shape[0] > 3 * 240
    assert not list(ad.folder.glob(".tmp-*"))


def test_from_its_record_the_same_bytes_are_made_again(ad: Ad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PVTT_CACHE_DIR", str(tmp_path / "empty"))
    again = job.repeat(ad.folder / "new.json", tmp_path / "again.mp4")
    assert (tmp_path / "again.mp4").read_bytes() == ad.output.read_bytes()
    assert again == ad.record


def test_from_a_record_whose_photo_has_changed_nothing_is_made(ad: Ad, tmp_path: Path) -> None:
    record = ad.record.model_copy(
        update={"photos": (ad.record.photos[0].model_copy(update={"sha256": "0" * 64}),), "output_sha256": None}
    )
    (tmp_path / "old.json").write_text(record.to_json())
    with pytest.raises(PvttError, match="is not what it was"):
        job.repeat(tmp_path / "old.json", tmp_path / "again.mp4")


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    ad: Ad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PVTT_CACHE_DIR", str(tmp_path / "cache"))

    def make() -> AdRecord:
        return pvtt.generate(
            ad.template, ad.photos, tmp_path / "out" / "new.mp4", model=ad.model, prompt="a blue box", seed=3
        )

    def finished() -> dict[str, int]:
        """When each window was made."""
        entries = (tmp_path / "cache").glob("generate/windows/*/*/result.json")
        whole = (path for path in entries if not path.parent.name.startswith(".tmp-"))  # not one in work
        return {path.parent.name: path.stat().st_mtime_ns for path in whole}

    child = fork()
    if child == 0:
        make()
        os._exit(0)
    deadline = time.monotonic() + 400  # of a machine in use
    while len(finished()) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    kept = finished()
    assert len(kept) >= 3
    assert not (tmp_path / "out" / "new.mp4").exists()
    make()
    assert (tmp_path / "out" / "new.mp4").read_bytes() == ad.output.read_bytes()
    assert {name: made for name, made in finished().items() if name in kept} == kept  # not made again
    assert len(finished()) == 8


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(ad: Ad, tmp_path: Path) -> None:
    told: list[str] = []
    record = pvtt.generate(
        ad.template, ad.photos, tmp_path / "new.mp4", model=ad.model, dry_run=True, shots=[3], say=told.append
    )
    assert [shot.generated for shot in record.shots] == [False, False, True]
    assert record.num_windows == 4
    assert record.output_sha256 is None
    assert told[-1] == "generating in the given shots 3"
    assert list(tmp_path.iterdir()) == []


def test_a_preview_is_a_sheet_alone(ad: Ad, tmp_path: Path) -> None:
    record = pvtt.generate(ad.template, ad.photos, tmp_path / "new.mp4", model=ad.model, preview=True)
    assert record.num_windows == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.json", "new.png"]


def test_a_mask_says_where_the_product_is(ad: Ad, tmp_path: Path) -> None:
    mask = np.zeros((128, 192), np.uint8)
    mask[20:60, 20:60] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    record = pvtt.generate(ad.template, ad.photos, model=ad.model, mask=tmp_path / "mask.png", shots=[1], dry_run=True)
    region = record.shots[0].region
    assert region is not None
    left, top, width, height = region
    assert left <= 20
    assert top <= 20
    assert left + width >= 60
    assert top + height >= 60
    assert left + width < 120


def test_a_box_says_where_the_product_is(ad: Ad) -> None:
    record = pvtt.generate(ad.template, ad.photos, model=ad.model, box=(10, 10, 40, 30), shots=[2], dry_run=True)
    assert [shot.generated for shot in record.shots] == [False, True, False]
    region = record.shots[1].region
    assert region is not None
    assert region[0] < 40
    assert region[1] < 30


def test_a_point_says_which_of_two_products_is_the_old_one(ad: Ad, tmp_path: Path) -> None:
    film = write_film(tmp_path / "two.mp4", two_products_shot())
    lefts = []
    for point in ((77, 66), (134, 95)):
        record = pvtt.generate(film, ad.photos, model=ad.model, point=point, dry_run=True)
        assert record.settings.point == point
        assert record.settings.shots == (1,)
        region = record.shots[0].region  # of the middle frame, in which both have gone 7 pixels to the right
        assert region is not None
        left, top, width, height = region
        assert left < point[0] + 7 < left + width
        assert top < point[1] < top + height
        lefts.append(left)
    assert lefts[1] - lefts[0] > 30


def test_a_point_is_repeated_from_the_record_and_is_part_of_the_surveys_key(ad: Ad, tmp_path: Path) -> None:
    film = write_film(tmp_path / "two.mp4", two_products_shot())
    pvtt.generate(film, ad.photos, tmp_path / "new.mp4", model=ad.model, point=(134, 95), preview=True)
    other = pvtt.generate(film, ad.photos, model=ad.model, point=(77, 66), dry_run=True)
    again = job.repeat(tmp_path / "new.json", tmp_path / "again.mp4")
    assert again == AdRecord.from_json((tmp_path / "new.json").read_bytes())
    assert again.settings.point == (134, 95)
    assert again.produce_id != other.produce_id
    assert again.shots[0].region != other.shots[0].region


def test_a_point_at_which_nothing_stands_out_asks_for_a_box(ad: Ad) -> None:
    with pytest.raises(AdError, match="shot 3: nothing that stands out is at the point 6,120") as raised:
        pvtt.generate(ad.template, ad.photos, model=ad.model, point=(6, 120), shots=[3], dry_run=True)
    assert raised.value.reason == "nothing_at_point"
    assert "--box" in str(raised.value.hint)


FILMS = {
    "two frames": (lambda path: write_film(path, disc_shot(215)[0][:2]), AdError, "has 2 frames"),
    "no film": (lambda path: path.write_bytes(b"no film at all " * 100), VideoError, "not a video"),
    "no pictures": (lambda path: _write_sound(path), VideoError, "no moving picture"),
    "template too large": (lambda path: _write_8k(path), AdError, "is 7680×4320, and a template at most"),
    "missing": (lambda path: None, MissingInputError, "does not exist"),
    "folder": (lambda path: path.mkdir(), MissingInputError, "is a folder: --templates takes many"),
    "no product": (
        lambda path: write_film(path, np.full((14, 128, 192, 3), 128, np.uint8)), AdError, "no product was found",
    ),
}  # fmt: skip


def _write_8k(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=20)
        stream.width, stream.height, stream.pix_fmt = 7680, 4320, "yuvj420p"
        container.mux(stream.encode(av.VideoFrame(7680, 4320, "yuvj420p")))
        container.mux(stream.encode(None))


def _write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        tone = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(tone.encode(frame))
        container.mux(tone.encode(None))


@pytest.mark.parametrize("name", FILMS)
def test_a_template_that_is_none_is_one_line_with_what_to_do(ad: Ad, tmp_path: Path, name: str) -> None:
    build, kind, says = FILMS[name]
    build(tmp_path / "film.mp4")
    with pytest.raises(kind, match=says) as raised:
        pvtt.generate(tmp_path / "film.mp4", ad.photos, tmp_path / "out" / "new.mp4", model=ad.model)
    assert raised.value.hint
    assert "\n" not in raised.value.message
    if kind is AdError:
        assert raised.value.reason == name.replace("two frames", "too_short").replace(" ", "_")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_photo_of_nothing_and_a_missing_one_are_named(ad: Ad, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "nothing.png"), np.full((200, 200, 3), 200, np.uint8))
    with pytest.raises(PvttError, match=r"nothing\.png: nothing stands out"):
        pvtt.generate(ad.template, [tmp_path / "nothing.png"], tmp_path / "new.mp4", model=ad.model)
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(AdError, match=r"^\S+text\.jpg: cannot identify image file") as raised:
        pvtt.generate(ad.template, [tmp_path / "text.jpg"], tmp_path / "new.mp4", model=ad.model)
    assert raised.value.reason == "bad_photo"
    for name, says in (("none.png", "does not exist"), ("", "is a folder")):
        with pytest.raises(MissingInputError, match=says):
            pvtt.generate(ad.template, [tmp_path / name], tmp_path / "new.mp4", model=ad.model)
    with pytest.raises(PvttError, match="no photo"):
        pvtt.generate(ad.template, [], tmp_path / "new.mp4", model=ad.model)


def test_a_target_that_cannot_be_written_is_found_out_before_the_work(ad: Ad, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for output, kind, says in (
        (tmp_path / "file" / "new.mp4", PvttError, "is no folder"),
        (tmp_path, PvttError, "is no name of a film"),
        (tmp_path / "new.gif", PvttError, "is no name of a film"),
        (ad.template, PvttError, "would be overwritten"),
        (Path("/sys/new.mp4"), StorageError, "/sys/new.mp4"),
        (Path("/proc/new.mp4"), PvttError, r"/proc/new\.mp4 cannot be written"),
    ):
        with pytest.raises(kind, match=says):
            pvtt.generate(ad.template, ad.photos, output, model=ad.model)


def test_a_disk_that_is_full_in_mid_film_is_named_and_nothing_is_left(ad: Ad, full_disk: Path) -> None:
    with pytest.raises(StorageError, match=r"no space left .*new\.mp4"):
        pvtt.generate(ad.template, ad.photos, full_disk / "new.mp4", model=ad.model, prompt="a blue box", seed=3)
    assert list(full_disk.iterdir()) == []


def test_a_missing_model_is_named(ad: Ad, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="does not exist"):
        pvtt.generate(ad.template, ad.photos, tmp_path / "new.mp4", model=tmp_path / "model")


def test_a_region_of_nearly_the_whole_frame_is_refused(ad: Ad, tmp_path: Path) -> None:
    mask = np.zeros((128, 192), np.uint8)
    mask[6:-6, 6:-6] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    with pytest.raises(AdError, match="the region of the new product covers 100%") as raised:
        pvtt.generate(ad.template, ad.photos, model=ad.model, mask=tmp_path / "mask.png", shots=[1], dry_run=True)
    assert raised.value.reason == "region_too_large"


def test_an_output_that_equals_the_template_is_refused_and_not_written(
    ad: Ad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "NO_CHANGE", 256.0)  # no real model puts back a template: any change counts as none
    with pytest.raises(AdError, match="equals the template") as raised:
        pvtt.generate(ad.template, ad.photos, tmp_path / "new.mp4", model=ad.model, prompt="a blue box", seed=3)
    assert raised.value.reason == "equals_template"
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_equals_the_photo_pasted_is_refused_and_not_written(ad: Ad, tmp_path: Path) -> None:
    with pytest.raises(AdError, match=r"equals the photo pasted: at strength 0\.001") as raised:
        pvtt.generate(ad.template, ad.photos, tmp_path / "new.mp4", model=ad.model, shots=[3], strength=0.001)
    assert raised.value.reason == "equals_photo"
    assert "--strength" in str(raised.value.hint)
    assert list(tmp_path.iterdir()) == []


def test_the_record_says_how_much_was_drawn_over_the_photo(ad: Ad, tmp_path: Path) -> None:
    def drawn(strength: float) -> float:
        record = pvtt.generate(
            ad.template, ad.photos, tmp_path / "new.mp4", model=ad.model, shots=[3], strength=strength, preview=True
        )
        (found,) = [shot.drawn for shot in record.shots if shot.drawn is not None]
        return found

    some, much = drawn(0.3), drawn(0.7)
    assert making.NO_DRAWING < some < much
    assert drawn(0.3) == some  # from the cache
    assert [shot.drawn is not None for shot in ad.record.shots] == [True, False, True]
