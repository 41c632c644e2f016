"""What a run must bring over the champion before a person is asked to promote it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.params.base import Positive
from pvtt.records.base import Record


class PromoteParams(Record):
    part: Literal["test", "transfer"] = "test"  # where the lead over the champion must show
    min_lead: Positive = 0.2  # dB of product PSNR over the champion, at least; the whole interval must lie above 0
    margin: Positive = 1.0  # dB by which no part and no category of held-out products may fall behind the champion
    audited_videos: int = Field(default=8, ge=1)  # samples whose kept videos are measured again
