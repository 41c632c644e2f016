"""The machine-readable label: what a film says of itself in its metadata, in the words of three standards.

AIGC               GB 45438-2025, annex E, where TC260-PG-20257A says: moov.udta.meta of MP4 and MOV, a SimpleTag of MKV
DigitalSourceType  IPTC's, as a plain field, which any reader of metadata shows
XMP                IPTC's Iptc4xmpExt:DigitalSourceType in a packet, as Adobe's XMP specification, part 3, has it in
                   MPEG-4: in a box `uuid` of the file itself, here its last, so that no offset changes. Matroska has no
                   place for XMP: there it is a tag, as it stands, for readers that scan files for packets
comment            the same in plain words
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pvtt.errors import PvttError

PRODUCER = "pvtt"
LABEL = "AI-generated: a product in this film was put there by a generative model (PVTT)."
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
GENERATED = "1"  # GB 45438-2025, annex E: it is generated; 2: it may be, 3: it is suspected
VALUE = re.compile(r"[!#-\[\]-~]+")  # annex E, j): code points 0x21, 0x23-0x5B, 0x5D-0x7E
XMP_BOX = UUID("BE7ACFCB-97A9-42E8-9C71-999491E3AFAC")  # XMP specification, part 3
BOX_CONTAINERS = (".mp4", ".mov", ".m4v")  # made of boxes, as ISO 14496-12 has them
XMP = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
   <Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


@dataclass(frozen=True)
class Label:
    """Of one film.

    Args:
        producer: Who offers the generation, in the characters of `VALUE`.
        produce_id: The film's number, likewise; no other film has it.
    """

    producer: str
    produce_id: str

    def fields(self, suffix: str) -> dict[str, str]:
        """The label as metadata of a container with this suffix.

        Who spreads the film is who made it, as annex E has it where the field is written for the first time.
        """
        aigc = {
            "Label": GENERATED,
            "ContentProducer": self.producer,
            "ProduceID": self.produce_id,
            "ReservedCode1": "",
            "ContentPropagator": self.producer,
            "PropagateID": self.produce_id,
            "ReservedCode2": "",
        }
        fields = {
            "comment": LABEL,
            "DigitalSourceType": SOURCE_TYPE,
            "AIGC": json.dumps(aigc, separators=(",", ":")),
        }
        return fields if suffix.lower() in BOX_CONTAINERS else fields | {"XMP": XMP}


def check_producer(producer: str) -> None:
    """Raises `PvttError` where GB 45438-2025 does not take a name."""
    if not VALUE.fullmatch(producer):
        raise PvttError(
            f"the producer {producer!r} is not what GB 45438-2025 takes",
            'give --producer a code or name of ASCII letters, digits and signs, without spaces, " and \\',
        )


def append_xmp(path: Path) -> None:
    """Append the XMP packet to a finished film of boxes; other containers have it among their fields."""
    if path.suffix.lower() in BOX_CONTAINERS:
        content = XMP_BOX.bytes + XMP.encode()
        with path.open("ab") as file:
            file.write(struct.pack(">I4s", 8 + len(content), b"uuid") + content)


def without_label(fields: dict[str, str]) -> dict[str, str]:
    """A template's metadata without what the label says anew, however it is spelled: GB 45438-2025 wants one AIGC."""
    own = {"comment", "digitalsourcetype", "aigc", "xmp"}
    return {key: value for key, value in fields.items() if key.lower() not in own}
