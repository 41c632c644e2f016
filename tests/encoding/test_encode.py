from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pvtt.encoding.encode import EncodeJob, encode_item, encode_sample, load_encoders
from pvtt.encoding.photos import read_photo
from pvtt.encoding.store import TENSORS_FILE
from pvtt.encoding.variants import draw_variants
from pvtt.encoding.windows import UnusableClipError, load_window
from pvtt.errors import MissingInputError, PvttError
from pvtt.media.masks import write_masks
from pvtt.models.vae import encode_video, to_unit_range
from pvtt.params.encode import CropParams, MaskParams, PhotoAugmentParams
from pvtt.records.dataset import TemplateClip
from tests.encoding.samples import HEIGHT, WIDTH, disc_frames, tiny_encode_params, write_sample
from tests.tiny_wan import TEXT_DIM, VaeKind, build_tiny_base


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("vae", ["wan2.1", "wan2.2"])
def test_a_sample_is_encoded_to_the_declared_tensors(tmp_path: Path, vae: VaeKind) -> None:
    encoders = load_encoders(build_tiny_base(tmp_path / "base", vae), "vae", None)
    params = tiny_encode_params()
    tensors, num_windows = encode_sample(write_sample(tmp_path), tmp_path, params, 0, encoders)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {
        "latents": (4, 16, 3, 4, 6),
        "masked_latents": (4, 16, 3, 4, 6),
        "mask": (4, 4, 3, 4, 6),
        "region": (4, 1, 3, 4, 6),
        "photo_latents": (4, 3, 16, 4, 4),
        "text": (12, TEXT_DIM),
    }
    assert num_windows == 8
    assert set(tensors["mask"].flatten().tolist()) == {0.0, 1.0}
    assert ((tensors["region"] > 0).squeeze(1).any(1) <= (tensors["mask"].amax(1) > 0).any(1)).all()
    # The masked video differs from the video where the mask is, and not in the far corner of the first frame.
    assert not torch.equal(tensors["latents"], tensors["masked_latents"])


def test_variant_0_is_the_evaluation_window_unaltered_and_the_same_in_every_split(tmp_path: Path) -> None:
    encoders = load_encoders(build_tiny_base(tmp_path / "base"), "vae", None)
    params = tiny_encode_params()
    entry = write_sample(tmp_path)
    train, _ = encode_sample(entry, tmp_path, params, 0, encoders)
    test, _ = encode_sample(entry.model_copy(update={"split": "test"}), tmp_path, params, 1, encoders)
    assert len(test["latents"]) == 1
    for name in ("latents", "masked_latents", "mask", "region", "photo_latents"):
        assert torch.equal(train[name][0], test[name][0])
    window = load_window(entry, tmp_path, params)
    expected = encode_video(encoders.vae, to_unit_range(torch.from_numpy(window.pixels)[None]))[0]
    assert torch.allclose(train["latents"][0], expected, atol=1e-4)


def test_variants_depend_on_seed_key_and_number_alone() -> None:
    params = tiny_encode_params()
    eight = draw_variants("A_001", range(8), params, 8, seed=0)
    assert draw_variants("A_001", range(8), params, 4, seed=0) == eight[:4]
    assert draw_variants("A_001", range(8), params, 8, seed=1)[1:] != eight[1:]
    assert draw_variants("B_001", range(8), params, 8, seed=0)[1:] != eight[1:]
    assert len({variant.place.start for variant in eight}) > 1
    fills = [variant.place.crop.fill for variant in eight[1:]]
    assert len(set(fills)) == 7
    assert 0.35 <= min(fills) < max(fills) <= 0.6


def test_equal_inputs_give_equal_tensors_and_bfloat16_is_close(tmp_path: Path) -> None:
    encoders = load_encoders(build_tiny_base(tmp_path / "base"), "vae", None)
    entry = write_sample(tmp_path)
    params = tiny_encode_params(variants=2)
    first, second = (encode_sample(entry, tmp_path, params, 0, encoders)[0] for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    half, _ = encode_sample(entry, tmp_path, tiny_encode_params(variants=2, dtype="bfloat16"), 0, encoders)
    assert all(tensor.dtype == torch.bfloat16 for tensor in half.values())
    error = (half["latents"].float() - first["latents"]).square().mean().sqrt() / first["latents"].std()
    assert error < 0.05


def test_a_missing_base_and_a_damaged_photo_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="does not exist") as missing:
        load_encoders(tmp_path / "nothing", "vae", None)
    assert "model.base" in str(missing.value.hint)
    (tmp_path / "photo.png").write_bytes(b"no picture")
    with pytest.raises(PvttError, match="not a square RGBA picture"):
        read_photo(tmp_path / "photo.png")
    entry = write_sample(tmp_path)
    assert np.array_equal(read_photo(tmp_path / entry.photo_paths[0])[32, 32], [200, 40, 40, 255])


def test_a_transfer_shows_the_template_and_asks_for_the_other_product(tmp_path: Path) -> None:
    encoders = load_encoders(build_tiny_base(tmp_path / "base"), "vae", None)
    template = write_sample(tmp_path, "DISC001", colour=(200, 40, 40))
    truth = write_sample(tmp_path, "DISC002", colour=(40, 40, 200))
    other = TemplateClip.model_validate({name: getattr(template, name) for name in TemplateClip.model_fields})
    entry = truth.model_copy(update={"template": other})
    params = tiny_encode_params(variants=4, transfer=1.0, colour_augment=False)

    tensors, _ = encode_sample(entry, tmp_path, params, 0, encoders)
    alone, _ = encode_sample(truth, tmp_path, params, 0, encoders)

    assert [variant.transfer for variant in draw_variants("A", range(8), params, 4, 0, 1.0)] == [False, *[True] * 3]
    assert torch.equal(tensors["photo_latents"], alone["photo_latents"])
    assert (tensors["mask"] >= alone["mask"]).all()  # two discs in one place: the box that the photos ask for, too
    for name in ("latents", "region"):
        assert torch.equal(tensors[name][0], alone[name][0])
    other_truth, _ = encode_sample(
        entry.model_copy(update={"clip_path": template.clip_path}), tmp_path, params, 0, encoders
    )
    difference = tensors["masked_latents"] - other_truth["masked_latents"]  # the hole hides the disc, whichever it is
    assert difference[1:].abs().max() < 0.02 * alone["masked_latents"].abs().max()
    bare = tiny_encode_params(variants=4, transfer=0.0, colour_augment=False)
    assert torch.equal(encode_sample(entry, tmp_path, bare, 0, encoders)[0]["mask"], alone["mask"])


def test_a_whole_template_is_never_the_truth(tmp_path: Path) -> None:
    encoders = load_encoders(build_tiny_base(tmp_path / "base"), "vae", None)
    template = write_sample(tmp_path, "DISC001", colour=(200, 40, 40))
    truth = write_sample(tmp_path, "DISC002", colour=(40, 40, 200))
    other = TemplateClip.model_validate({name: getattr(template, name) for name in TemplateClip.model_fields})
    entry = truth.model_copy(update={"template": other})
    params = tiny_encode_params(transfer=0.0, colour_augment=False)

    tensors, _ = encode_sample(entry, tmp_path, params, 0, encoders, ["template"])

    assert tensors["template_latents"].shape == tensors["latents"].shape
    window = load_window(entry, tmp_path, params, from_template=True)
    for name, pixels in (("template_latents", window.template), ("latents", window.pixels)):
        expected = encode_video(encoders.vae, to_unit_range(torch.from_numpy(pixels)[None]))[0]
        assert torch.allclose(tensors[name][0], expected, atol=1e-4)
    assert np.abs(window.template.astype(int) - window.pixels)[window.product].mean() > 50
    difference = (tensors["template_latents"] - tensors["latents"]).abs()
    assert (
        difference.flatten(1).amax(1) > 0.5 * tensors["latents"].std()
    ).all()  # in every variant, the first included
    with pytest.raises(UnusableClipError, match="no_template"):
        encode_sample(truth, tmp_path, params, 0, encoders, ["template"])


def test_a_transfers_hole_has_room_for_the_form_that_the_photos_show(tmp_path: Path) -> None:
    """As in generation, where no one knows the new product's place: what it is in the truth changes nothing."""
    encoders = load_encoders(build_tiny_base(tmp_path / "base"), "vae", None)
    template, truth = write_sample(tmp_path, "DISC001"), write_sample(tmp_path, "BAR001")
    other = TemplateClip.model_validate({name: getattr(template, name) for name in TemplateClip.model_fields})
    entry = truth.model_copy(update={"template": other})
    crop, mask = CropParams(follow=False), MaskParams(box_fraction=0.0, grid_fraction=0.0, shape_fraction=0.0)
    size = {"width": WIDTH, "height": HEIGHT}
    params = tiny_encode_params(variants=2, transfer=1.0, colour_augment=False, crop=crop, mask=mask, **size)

    def columns(tensors: dict[str, Tensor]) -> list[int]:
        """Of the own hole and of the transfer's, in the second latent frame."""
        return (tensors["mask"][:, 0, 1] > 0).any(1).sum(1).tolist()

    discs = columns(encode_sample(entry, tmp_path, params, 0, encoders)[0])
    for path in entry.photo_paths:
        bar = np.zeros((64, 64, 4), np.uint8)
        bar[28:36, 4:60] = [200, 40, 40, 255]
        Image.fromarray(bar).save(tmp_path / path)
    bars = columns(encode_sample(entry, tmp_path, params, 0, encoders)[0])
    assert bars[0] == discs[0]
    assert bars[1] > discs[1] >= discs[0]
    write_masks(tmp_path / truth.mask_path, np.roll(disc_frames(24, (0, 0, 0))[1], 2, axis=2), fps=12)
    assert columns(encode_sample(entry, tmp_path, params, 0, encoders)[0])[1] == bars[1]


def test_what_is_off_changes_no_bit_of_a_sample(tmp_path: Path) -> None:
    """Photo changes, shape gaps and tracked points leave all that they are not about as it is."""
    encoders = load_encoders(build_tiny_base(tmp_path / "base"), "vae", None)
    entry, other = write_sample(tmp_path), write_sample(tmp_path, "OTHER001")
    tracked = tiny_encode_params(variants=3, point_tracks=6)
    changed = tiny_encode_params(variants=3, photo_augment=PhotoAugmentParams(light=1.0, background=1.0))
    gapped = tiny_encode_params(variants=3, mask=MaskParams(gap_fraction=1.0))
    plain = encode_sample(entry, tmp_path, tiny_encode_params(variants=3), 0, encoders)[0]
    for params, gap, differing in (
        (tiny_encode_params(variants=3), other, set()),
        (tracked, None, {"point_patches"}),
        (changed, None, {"photo_latents"}),
        (gapped, None, set()),
    ):
        found = encode_sample(entry, tmp_path, params, 0, encoders, gap=gap)[0]
        assert {name for name in found if name not in plain or not torch.equal(found[name], plain[name])} == differing
        assert all(torch.equal(found[name][0], plain[name][0]) for name in plain if name != "text")  # variant 0
    patches = encode_sample(entry, tmp_path, tracked, 0, encoders)[0]["point_patches"]
    assert patches.shape == plain["region"].shape


def test_a_shape_gap_widens_the_hole_of_variants_after_the_first(tmp_path: Path) -> None:
    encoders = load_encoders(build_tiny_base(tmp_path / "base"), "vae", None)
    entry, other = write_sample(tmp_path), write_sample(tmp_path, "BAR001")
    bar = np.zeros((24, HEIGHT, WIDTH), np.uint8)
    bar[:, 30:33, 4:90] = 255
    write_masks(tmp_path / other.mask_path, bar, fps=12)
    mask = {"box_fraction": 0.0, "grid_fraction": 0.0, "shape_fraction": 0.0}
    params = tiny_encode_params(variants=3, mask=MaskParams(**mask, gap_fraction=1.0))
    plain, wide = (encode_sample(entry, tmp_path, params, 0, encoders, gap=gap)[0] for gap in (None, other))
    assert torch.equal(wide["mask"][0], plain["mask"][0])
    assert (wide["mask"][1:] >= plain["mask"][1:]).all()
    assert (wide["mask"][1:].sum((1, 2, 3, 4)) > plain["mask"][1:].sum((1, 2, 3, 4))).all()
    assert torch.equal(wide["region"], plain["region"])  # the product itself is where it was


def test_how_many_threads_there_are_makes_no_difference(tmp_path: Path) -> None:
    base, params = build_tiny_base(tmp_path / "base"), tiny_encode_params(width=192, height=128, photo_size=128)
    job = EncodeJob(entry=write_sample(tmp_path), seed=0, root=tmp_path, base=base)
    made = []
    for num_threads in (1, 2):
        torch.set_num_threads(num_threads)
        folder = tmp_path / str(num_threads)
        folder.mkdir()
        encode_item(job, folder, params)
        assert torch.get_num_threads() == num_threads
        made.append((folder / TENSORS_FILE).read_bytes())
    assert made[0] == made[1]
