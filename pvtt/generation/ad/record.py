"""`new.json`: what is written beside an ad, from which the run can be repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pvtt.errors import MissingInputError, PvttError
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.generation.ad.label import PRODUCER
from pvtt.generation.ad.leftovers import LeftoverCheck
from pvtt.generation.ad.settings import AdSettings
from pvtt.generation.ad.signing import Signature
from pvtt.records.base import Record, parse_record
from pvtt.records.catalog import Sha256


class InputFile(Record):
    """A file or a model's folder that went in."""

    path: str
    sha256: Sha256


class AdShot(Record):
    """A shot of the ad."""

    number: int  # from 1
    first_frame: int
    num_frames: int
    start_s: float
    end_s: float
    product: str | None  # a letter; shots with the same letter show the same product
    generated: bool
    reason: str  # why it was left as it is; empty where it was generated
    product_area: float  # of the frame, on average
    region: tuple[int, int, int, int] | None  # left, top, width, height in the shot's middle frame, in pixels
    cut_at: tuple[int, int] | None = None  # left and top of what is shown of the middle frame; None: all of it is
    windows: int  # to generate
    change: float | None = None  # in the region: mean difference from the template, of 255
    drawn: float | None = None  # where the photo is: the same from the photo pasted, in one window


class AdRecord(Record):
    """One ad: what it was made of, how, and what came out."""

    schema_version: Literal[1] = 1
    label: str  # that a model made it
    digital_source_type: str
    producer: str = PRODUCER  # in the film's label
    produce_id: str = ""  # the film's number in its label
    visible_label: str | None = None  # the text on its frames; None: there is none
    label_font: InputFile | None = None
    template: InputFile
    width: int  # of the template's frames
    height: int
    cut_size: tuple[int, int] | None = None  # width and height of the ad; None: as the template's
    num_frames: int
    duration_s: float
    photos: tuple[InputFile, ...]
    model: InputFile
    mask: InputFile | None
    settings: AdSettings
    steps: int
    product_guidance: float
    text_guidance: float
    strength: float
    window_frames: int
    choice: str
    shots: tuple[AdShot, ...]
    versions: dict[str, str]  # of this project and of the libraries that results depend on
    preview: bool = False
    time_shift_s: float | None = None  # how far a frame's time is from the template's, at most
    notes: tuple[str, ...] = ()
    leftovers: LeftoverCheck | None = None  # None where no film was written
    signature: Signature | None = None  # None: it is not signed
    output_sha256: Sha256 | None = None  # None where no film was written

    @property
    def num_windows(self) -> int:
        """To generate, over all shots."""
        return sum(shot.windows for shot in self.shots if shot.generated)

    @property
    def film_size(self) -> tuple[int, int]:
        """Width and height of the ad."""
        return self.cut_size or (self.width, self.height)

    @property
    def signed_with(self) -> str | None:
        """The hash of the certificates that it is signed with."""
        return None if self.signature is None else self.signature.certificates_sha256

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of the film, a line each."""
        return (*self.notes, *(self.leftovers.warnings if self.leftovers else ()))

    def with_produce_id(self) -> AdRecord:
        """Numbered by all that goes into the film, wherever the files lie: the same film has the same number again."""
        place = {"path"}
        left_out: dict[str, Any] = {
            "produce_id": True,
            "template": place,
            "photos": {"__all__": place},
            "model": place,
            "mask": place,
            "label_font": place,
        }
        return self.model_copy(update={"produce_id": sha256_json(self.model_dump(mode="json", exclude=left_out))})


def read_record(path: Path) -> AdRecord:
    """Read the record of an earlier run, and check that what went in is still the same.

    Raises:
        MissingInputError: The record, or what it names, is not there.
        PvttError: The record is damaged, or an input has changed.
    """
    if not path.is_file():
        raise MissingInputError(f"the record {path} does not exist", "give --from the .json beside an earlier ad")
    record = parse_record(AdRecord, path.read_bytes(), path, "give --from the .json that this version has written")
    for file in (record.template, *record.photos, record.mask, record.label_font):
        if file is None:
            continue
        if not Path(file.path).is_file():
            raise MissingInputError(f"{path.name} names {file.path}, which does not exist", "put the file back")
        if sha256_file(Path(file.path)) != file.sha256:
            raise PvttError(f"{file.path} is not what it was for {path.name}", "put back the file of then")
    return record
