"""What is expected of the tables: Great Expectations suites in code.

A critical failure stops the flow; a warning is recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pvtt.params.file import Params
from pvtt.records.catalog import CLIP_ID_PATTERN, PRODUCT_ID_PATTERN

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

CAPTION_LENGTH = (10, 1000)  # characters; UMT5 reads 512 tokens
MIN_TEST_PRODUCTS = 5  # below, an identity retrieval or an interval says little
MAX_DEVIATION = 0.1  # of a split's share of the products from its ratio
MAX_GROUP_FRACTION = 0.2  # of all products: more means that photos resemble each other by their kind, not their product


def build_suites(params: Params) -> dict[str, list[Expectation]]:
    """The expectations of each table of `pvtt.dataset.tables`."""
    import great_expectations as gx

    gxe: Any = gx.expectations  # its classes' arguments are declared in ways that type checkers do not follow
    clip, segment, validate = params.clip, params.segment, params.validate_
    tolerance = 1 / clip.fps  # a clip holds whole frames
    min_frames = round((clip.min_seconds - tolerance) * clip.fps)
    max_frames = round((clip.max_seconds + tolerance) * clip.fps)
    ratios = "/".join(f"{ratio:g}" for ratio in validate.split_ratios)
    rows = gxe.ExpectTableRowCountToBeBetween
    between = gxe.ExpectColumnValuesToBeBetween
    unique = gxe.ExpectColumnValuesToBeUnique
    one_of = gxe.ExpectColumnValuesToBeInSet
    pattern = gxe.ExpectColumnValuesToMatchRegex
    not_null = gxe.ExpectColumnValuesToNotBeNull
    null = gxe.ExpectColumnValuesToBeNull
    equal = gxe.ExpectColumnPairValuesToBeEqual
    return {
        "products": [
            unique(column="name", description="product ids are unique"),
            pattern(column="name", regex=PRODUCT_ID_PATTERN, description="product ids are letters, digits and hyphens"),
            pattern(column="category", regex=r"\S", description="products have a category"),
            not_null(column="license", severity="warning", description="products state a licence"),
            pattern(column="title", regex=r"\S", severity="warning", description="products have a title"),
        ],
        "clips": [
            unique(column="name", description="clips are unique"),
            pattern(column="clip_id", regex=CLIP_ID_PATTERN, description="clip ids are three to five digits"),
            one_of(column="known_product", value_set=[True], description="clips belong to a product of data/"),
            one_of(column="fps", value_set=[clip.fps], description=f"clips have {clip.fps:g} frames a second"),
            one_of(column="width", value_set=[clip.width], description=f"clips are {clip.width} pixels wide"),
            one_of(column="height", value_set=[clip.height], description=f"clips are {clip.height} pixels high"),
            between(
                column="num_frames",
                min_value=min_frames,
                max_value=max_frames,
                description=f"clips last {clip.min_seconds:g}–{clip.max_seconds:g} s: {min_frames}–{max_frames} frames",
            ),
            between(
                column="caption_length",
                min_value=CAPTION_LENGTH[0],
                max_value=CAPTION_LENGTH[1],
                severity="warning",
                description=f"captions have {CAPTION_LENGTH[0]}–{CAPTION_LENGTH[1]} characters",
            ),
        ],
        "masks": [
            unique(column="name", description="a clip has one mask"),
            not_null(column="current_clip_sha256", description="masks belong to a clip"),
            equal(
                column_A="clip_sha256",
                column_B="current_clip_sha256",
                ignore_row_if="either_value_is_missing",
                description="masks were made of the present clips",
            ),
            *(
                equal(
                    column_A=column,
                    column_B=f"clip_{column}",
                    ignore_row_if="either_value_is_missing",
                    description=f"masks have the {column} of their clip",
                )
                for column in ("num_frames", "width", "height")
            ),
            between(
                column="area_mean",
                min_value=segment.min_area,
                max_value=segment.max_area,
                description=f"masks cover {segment.min_area:.0%}–{segment.max_area:.0%} of the frame on average",
            ),
            between(column="area_max", max_value=0.99, description="no frame is masked as a whole"),
            between(
                column="border_fraction",
                max_value=segment.max_border,
                description=f"masks cover at most {segment.max_border:.0%} of the frame's border",
            ),
        ],
        "photos": [
            unique(column="name", description="photos are unique files"),
            gxe.ExpectCompoundColumnsToBeUnique(
                column_list=["product_id", "sha256"], description="a product's photos differ from each other"
            ),
            unique(column="sha256", severity="warning", description="products share no photo"),
            between(
                column="area",
                min_value=params.photos.min_area,
                max_value=params.photos.max_area,
                description=f"products cover {params.photos.min_area:.0%}–{params.photos.max_area:.0%} of a photo",
            ),
        ],
        "files": [
            one_of(
                column="state",
                value_set=["intact", "not_checked"],
                description="files exist, and their content is that which was recorded",
            ),
            one_of(
                column="seen",
                value_set=[True],
                severity="warning",
                description="clips and photos of samples can be opened, so that copies of them are found: make those "
                "that cannot anew, or take their sources out with `pvtt data reject`",
            ),
        ],
        "samples": [
            rows(min_value=1, description="there are samples"),
            unique(column="name", description="samples are unique"),
            between(
                column="num_photos",
                min_value=params.photos.min_photos,
                max_value=params.photos.max_photos,
                description=f"samples have {params.photos.min_photos}–{params.photos.max_photos} photos",
            ),
        ],
        "groups": [
            one_of(
                column="num_splits", value_set=[1], description="a product and its near-duplicates are in one split"
            ),
            between(
                column="fraction",
                max_value=MAX_GROUP_FRACTION,
                severity="warning",
                description=f"no group of near-duplicates holds more than {MAX_GROUP_FRACTION:.0%} of the products",
            ),
        ],
        "held_out_clips": [
            null(
                column="copy_of",
                severity="warning",
                description="no clip of val or test is a copy of another split's, encoded again, scaled or mirrored: "
                "take one's film out with `pvtt data reject`",
            ),
        ],
        "held_out_photos": [
            null(
                column="copy_of",
                severity="warning",
                description="no photo of val or test is a copy of another split's, encoded again, scaled or mirrored: "
                "take one out with `pvtt data reject`",
            ),
        ],
        "categories": [
            between(
                column="num_test",
                min_value=0 if validate.split_ratios[2] == 0 else 1,
                severity="warning",
                description="test has products of each category that is trained on: crawl more of those it lacks, or "
                "read its figures as those of the others",
            ),
        ],
        "splits": [
            between(column="num_products", min_value=1, description="no split is empty"),
            between(
                column="num_products",
                min_value=MIN_TEST_PRODUCTS,
                severity="warning",
                description=f"every split has at least {MIN_TEST_PRODUCTS} products",
            ),
            between(column="num_categories", min_value=2, severity="warning", description="splits span categories"),
            between(
                column="deviation",
                min_value=-MAX_DEVIATION,
                max_value=MAX_DEVIATION,
                severity="warning",
                description=f"the splits' shares of products are within {MAX_DEVIATION} of {ratios}",
            ),
        ],
        "dataset": [
            between(
                column="num_products",
                min_value=validate.min_products,
                description=f"there are at least validate.min_products={validate.min_products} usable products",
            ),
            between(
                column="rejected_fraction",
                max_value=validate.max_rejected_clip_fraction,
                description=f"at most {validate.max_rejected_clip_fraction:.0%} of the shots were turned away "
                "(validate.max_rejected_clip_fraction)",
            ),
            between(
                column="copied_fraction",
                max_value=validate.max_copied_fraction,
                description=f"at most {validate.max_copied_fraction:.0%} of the held-out clips copy another split's "
                "(validate.max_copied_fraction): take their films out with `pvtt data reject`",
            ),
            between(
                column="mask_drift",
                max_value=validate.max_mask_drift,
                severity="warning",
                description=f"mask areas are within {validate.max_mask_drift:g} of the last committed version's, "
                "beyond chance (validate.max_mask_drift): look at new masks with `pvtt data review`, and whether "
                "segment changed",
            ),
        ],
    }
