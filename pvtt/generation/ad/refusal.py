"""Why an ad cannot be made of what was given."""

from __future__ import annotations

from pvtt.errors import PvttError


class AdError(PvttError):
    """What was given does not make an ad.

    `reason` is a code for tables: `bad_photo`, `no_photo`, `different_products`, `bad_prompt`, `too_short`,
    `template_too_large`, `no_product`, `no_such_shot`, `shot_without_product`, `region_too_large`, `aspect_too_narrow`,
    `sound_not_held`, `nothing_generated`, `equals_template`, `equals_photo`, `nothing_at_point` or `two_places`.
    """

    def __init__(self, message: str, hint: str | None = None, reason: str = "error") -> None:
        super().__init__(message, hint)
        self.reason = reason
