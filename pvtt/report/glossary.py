"""What each metric is called and means, for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """A metric for a reader. `better` is `↑`, `↓`, or empty where neither is."""

    label: str
    unit: str
    better: str
    explanation: str


GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Fidelity to the ground truth", ("psnr", "ssim", "lpips", "fvd")),
    ("The product's region", ("product_psnr", "product_ssim", "product_lpips", "product_delta_e")),
    (
        "Motion",
        (
            "relative_flow_warp_error",
            "flow_warp_error",
            "flow_warp_error_ground_truth",
            "flicker",
            "outside_motion_error",
        ),
    ),
    (
        "Is it that product?",
        (
            "identity_top1",
            "identity_top1_ground_truth",
            "identity_top1_swapped",
            "identity_top1_blank",
            "identity_top1_untrained",
            "identity_top1_mean_fill",
            "swap_followed",
            "clip_i",
            "dino",
        ),
    ),
    (
        "Does it use the photos?",
        ("swap_gain", "blank_gain", "leak_change", "blank_change", "product_psnr_swapped", "product_psnr_blank"),
    ),
    (
        "Against baselines",
        ("untrained_gain", "mean_fill_gain", "product_psnr_untrained", "product_psnr_mean_fill"),
    ),
)

MEANINGS: dict[str, Meaning] = {
    "psnr": Meaning("PSNR", "dB", "↑", "of the whole frame; outside the mask it is the template itself"),
    "ssim": Meaning("SSIM", "", "↑", "structural similarity of the whole frame"),
    "lpips": Meaning("LPIPS", "", "↓", "perceptual distance of the whole frame"),
    "fvd": Meaning("FVD", "", "↓", "Fréchet video distance of outputs to ground truths"),
    "product_psnr": Meaning("product PSNR", "dB", "↑", "inside the product's region only"),
    "product_ssim": Meaning("product SSIM", "", "↑", "inside the product's region only"),
    "product_lpips": Meaning("product LPIPS", "", "↓", "inside the product's region only"),
    "product_delta_e": Meaning("product ΔE", "CIEDE2000", "↓", "between the main colours; about 2 is just visible"),
    "relative_flow_warp_error": Meaning("flow-warp error / ground truth's", "×", "↓", "1: as steady as the real video"),
    "flow_warp_error": Meaning("flow-warp error", "", "↓", "frame against the next, warped back along the motion"),
    "flow_warp_error_ground_truth": Meaning("flow-warp error, ground truth", "", "", "what the real video has itself"),
    "flicker": Meaning("flicker", "grey levels", "↓", "difference of frame-to-frame changes"),
    "outside_motion_error": Meaning("camera error", "px/frame", "↓", "motion outside the mask, before compositing"),
    "identity_top1": Meaning("identity, top 1", "", "↑", "how often the output looks most like its own photos"),
    "identity_top1_ground_truth": Meaning("… of the ground truth", "", "", "the ceiling that the measure itself sets"),
    "identity_top1_swapped": Meaning("… with swapped photos", "", "", "should fall to chance"),
    "identity_top1_blank": Meaning("… without photos", "", "", "what the surroundings give away"),
    "identity_top1_untrained": Meaning("… of the untrained adapter", "", "", "what the base model guesses"),
    "identity_top1_mean_fill": Meaning("… of the mean-colour fill", "", "", "what the mask gives away"),
    "swap_followed": Meaning("swapped output shows the swapped product", "", "↑", "by the same retrieval"),
    "clip_i": Meaning("CLIP-I", "cosine", "↑", "product in the output against its photos"),
    "dino": Meaning("DINO", "cosine", "↑", "product in the output against its photos"),
    "swap_gain": Meaning("own over swapped photos", "dB", "↑", "product PSNR lost with another product's photos"),
    "blank_gain": Meaning("own over no photos", "dB", "↑", "product PSNR lost without photos"),
    "leak_change": Meaning("change when swapped", "grey levels", "↑", "in the product's region, at the same noise"),
    "blank_change": Meaning("change when blanked", "grey levels", "↑", "in the product's region, at the same noise"),
    "product_psnr_swapped": Meaning("product PSNR, swapped photos", "dB", "", "against the true product"),
    "product_psnr_blank": Meaning("product PSNR, no photos", "dB", "", "against the true product"),
    "untrained_gain": Meaning("over the untrained adapter", "dB", "↑", "product PSNR gained by training"),
    "mean_fill_gain": Meaning("over the mean-colour fill", "dB", "↑", "product PSNR above one colour for all products"),
    "product_psnr_untrained": Meaning("product PSNR, untrained", "dB", "", "the base model with a new adapter"),
    "product_psnr_mean_fill": Meaning("product PSNR, mean fill", "dB", "", "in the training products' mean colour"),
}
