"""The adapters on their real classes, with random weights in tiny configurations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pvtt.errors import MissingInputError
from pvtt.media.arrays import Frame
from pvtt.segment import sam2 as sam2_module
from pvtt.segment.grounding_dino import GroundingDinoDetector
from pvtt.segment.protocols import Detection
from pvtt.segment.sam2 import Sam2Tracker

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "product", "ring"]


@pytest.fixture(scope="module")
def grounding_dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import (
        BertConfig,
        BertTokenizerFast,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    folder = tmp_path_factory.mktemp("grounding-dino")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    size = {"shortest_edge": 64, "longest_edge": 96}
    processor = GroundingDinoProcessor(
        GroundingDinoImageProcessor(size=size), BertTokenizerFast(str(folder / "vocab.txt"))
    )
    torch.manual_seed(0)
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=64,
            embed_dim=16,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=4,
            out_indices=[2, 3, 4],
        ),
        text_config=BertConfig(
            vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
        ),
        num_queries=20,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,  # its box heads are tied from the second layer on
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
    )
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def frames(num: int) -> list[Frame]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 255, (num, 48, 72, 3), dtype=np.uint8))


def test_grounding_dino_gives_boxes_inside_the_frame_surest_first(
    grounding_dino: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pvtt.segment.grounding_dino.BOX_THRESHOLD", 0.0)  # random weights are never sure
    detection = GroundingDinoDetector(grounding_dino, "product.").detect(frames(1)[0])
    assert detection.num_products >= 1
    assert detection.boxes.shape == (detection.num_products, 4)
    assert (np.diff(detection.scores) <= 0).all()
    assert detection.mask is None


def test_grounding_dino_sees_no_product_below_its_threshold(
    grounding_dino: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pvtt.segment.grounding_dino.BOX_THRESHOLD", 1.0)
    assert GroundingDinoDetector(grounding_dino, "product.").detect(frames(1)[0]).num_products == 0


def test_missing_weights_are_an_error_that_names_the_param(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"segment\.detector_weights"):
        GroundingDinoDetector(tmp_path, "product.")
    with pytest.raises(MissingInputError, match=r"segment\.tracker_weights"):
        Sam2Tracker(tmp_path)


SAM2_CONFIGURATION = """
model:
  _target_: sam2.modeling.sam2_base.SAM2Base
  image_encoder:
    _target_: sam2.modeling.backbones.image_encoder.ImageEncoder
    scalp: 1
    trunk:
      _target_: sam2.modeling.backbones.hieradet.Hiera
      embed_dim: 8
      num_heads: 1
      stages: [1, 2, 2, 1]
      global_att_blocks: [4]
      window_pos_embed_bkg_spatial_size: [7, 7]
    neck:
      _target_: sam2.modeling.backbones.image_encoder.FpnNeck
      position_encoding: &position
        _target_: sam2.modeling.position_encoding.PositionEmbeddingSine
        num_pos_feats: 32
        normalize: true
        scale: null
        temperature: 10000
      d_model: 32
      backbone_channel_list: [64, 32, 16, 8]
      fpn_top_down_levels: [2, 3]
      fpn_interp_model: nearest
  memory_attention:
    _target_: sam2.modeling.memory_attention.MemoryAttention
    d_model: 32
    pos_enc_at_input: true
    layer:
      _target_: sam2.modeling.memory_attention.MemoryAttentionLayer
      activation: relu
      dim_feedforward: 32
      dropout: 0.1
      pos_enc_at_attn: false
      self_attention:
        _target_: sam2.modeling.sam.transformer.RoPEAttention
        rope_theta: 10000.0
        feat_sizes: [8, 8]
        embedding_dim: 32
        num_heads: 1
        downsample_rate: 1
        dropout: 0.1
      d_model: 32
      pos_enc_at_cross_attn_keys: true
      pos_enc_at_cross_attn_queries: false
      cross_attention:
        _target_: sam2.modeling.sam.transformer.RoPEAttention
        rope_theta: 10000.0
        feat_sizes: [8, 8]
        rope_k_repeat: true
        embedding_dim: 32
        num_heads: 1
        downsample_rate: 1
        dropout: 0.1
        kv_in_dim: 16
    num_layers: 1
  memory_encoder:
    _target_: sam2.modeling.memory_encoder.MemoryEncoder
    out_dim: 16
    in_dim: 32
    position_encoding:
      _target_: sam2.modeling.position_encoding.PositionEmbeddingSine
      num_pos_feats: 16
      normalize: true
      scale: null
      temperature: 10000
    mask_downsampler:
      _target_: sam2.modeling.memory_encoder.MaskDownSampler
      embed_dim: 32
      kernel_size: 3
      stride: 2
      padding: 1
    fuser:
      _target_: sam2.modeling.memory_encoder.Fuser
      layer:
        _target_: sam2.modeling.memory_encoder.CXBlock
        dim: 32
        kernel_size: 7
        padding: 3
        layer_scale_init_value: 1.0e-6
        use_dwconv: true
      num_layers: 1
  num_maskmem: 3
  image_size: 128
  sigmoid_scale_for_mem_enc: 20.0
  sigmoid_bias_for_mem_enc: -10.0
  use_mask_input_as_output_without_sam: true
  directly_add_no_mem_embed: true
  no_obj_embed_spatial: true
  use_high_res_features_in_sam: true
  multimask_output_in_sam: true
  iou_prediction_use_sigmoid: true
  use_obj_ptrs_in_encoder: true
  add_tpos_enc_to_obj_ptrs: true
  proj_tpos_enc_in_obj_ptrs: true
  use_signed_tpos_enc_to_obj_ptrs: true
  only_obj_ptrs_in_the_past_for_eval: true
  pred_obj_scores: true
  pred_obj_scores_mlp: true
  fixed_no_obj_ptr: true
  multimask_output_for_tracking: true
  use_multimask_token_for_obj_ptr: true
  multimask_min_pt_num: 0
  multimask_max_pt_num: 1
  use_mlp_for_obj_ptr_proj: true
  compile_image_encoder: false
"""


@pytest.fixture(scope="module")
def sam2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    folder = tmp_path_factory.mktemp("sam2")
    (folder / "sam2_tiny.yaml").write_text(SAM2_CONFIGURATION)
    torch.manual_seed(0)
    model = instantiate(OmegaConf.create(SAM2_CONFIGURATION).model, _recursive_=True)
    torch.save({"model": model.state_dict()}, folder / "sam2_tiny.pt")
    return folder


def square() -> Detection:
    mask = np.zeros((48, 72), np.float32)
    mask[12:36, 20:44] = 1.0
    return Detection(np.array([[20, 12, 44, 36]], np.float32), np.ones(1, np.float32), mask)


def boxed() -> Detection:
    return Detection(square().boxes, square().scores)


@pytest.mark.parametrize("detection", [square(), boxed()], ids=["mask", "box"])
def test_sam2_gives_a_mask_for_every_frame(
    sam2_folder: Path, detection: Detection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sam2_module, "CHUNK_FRAMES", 4)  # three chunks
    stream = [(frame, detection if index == 1 else None) for index, frame in enumerate(frames(9))]
    masks = list(Sam2Tracker(sam2_folder).track(stream))
    assert len(masks) == 9
    for mask in masks:
        assert mask.shape == (48, 72)
        assert 0 <= mask.min() <= mask.max() <= 1
    if detection.mask is not None:  # a mask prompt is what SAM 2 shows on its frame
        intersection = ((masks[1] >= 0.5) & (detection.mask >= 0.5)).sum()
        assert intersection / ((masks[1] >= 0.5) | (detection.mask >= 0.5)).sum() > 0.8


def test_sam2_gives_empty_masks_where_nothing_was_detected(sam2_folder: Path) -> None:
    nothing = Detection(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    masks = list(Sam2Tracker(sam2_folder).track([(frame, nothing) for frame in frames(2)]))
    assert [mask.max() for mask in masks] == [0, 0]


def test_sam2_is_deterministic_and_quiet(sam2_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stream = [(frame, square() if index == 0 else None) for index, frame in enumerate(frames(3))]
    tracker = Sam2Tracker(sam2_folder)
    first, second = (np.stack(list(tracker.track(stream))) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert "it/s" not in capfd.readouterr().err
