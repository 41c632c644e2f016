"""C2PA: a finished film is signed with who made it of what, by a certificate that a person has (extra `c2pa`).

    template (the ingredient that was opened) ──► c2pa.edited, of the label's digital source type ──► signed manifest

The manifest is the film's second box, a `uuid`; where it came from is proved by its hash over the other boxes, the XMP
label among them. A manifest has times and numbers of its own, so two signed films are never the same bytes.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pvtt import __version__
from pvtt.errors import MissingInputError, PvttError, first_line
from pvtt.files.hashing import sha256_bytes
from pvtt.generation.ad.label import BOX_CONTAINERS, LABEL, SOURCE_TYPE
from pvtt.records.base import Record
from pvtt.records.catalog import Sha256

ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")
OF_CURVE = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
FORMATS = {".mp4": "video/mp4", ".m4v": "video/x-m4v", ".mov": "video/quicktime"}
NO_NETWORK = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}


class Signature(Record):
    """How a film was signed."""

    algorithm: str
    certificates_sha256: Sha256  # of the file with the chain
    unsigned_sha256: Sha256  # of the film before, which a repeated run has again


@dataclass(frozen=True)
class Signing:
    """Who signs.

    Args:
        certificates: The chain in PEM, the signer's own first.
        key: The signer's, in PEM as PKCS #8.
        algorithm: One of `ALGORITHMS`.
    """

    certificates: bytes
    key: bytes = field(repr=False)
    algorithm: str

    def signature(self, unsigned_sha256: str) -> Signature:
        """What the record says of a signed film."""
        return Signature(
            algorithm=self.algorithm,
            certificates_sha256=sha256_bytes(self.certificates),
            unsigned_sha256=unsigned_sha256,
        )

    def sign(self, film: Path, template: Path, target: Path, title: str) -> None:
        """Write a film, signed, under another name; its title is in the manifest.

        Raises:
            OSError: A file cannot be read or written.
            PvttError: The library does not sign it.
        """
        with film.open("rb") as source, template.open("rb") as opened, target.open("w+b") as signed:
            streams = [_Recording(file) for file in (source, opened, signed)]
            ingredient = template.name, FORMATS.get(template.suffix.lower(), "video/mp4"), streams[1]
            self._sign(title, FORMATS[film.suffix.lower()], streams[0], streams[2], ingredient)

    def try_out(self) -> None:
        """Sign a small picture, to find out before the work whether certificates, key and algorithm go together."""
        from PIL import Image

        picture = io.BytesIO()
        Image.new("RGB", (8, 8)).save(picture, format="PNG")
        self._sign("trial", "image/png", _Recording(picture), _Recording(io.BytesIO()), None)

    def _sign(
        self, title: str, kind: str, source: _Recording, target: _Recording, ingredient: tuple[str, str, Any] | None
    ) -> None:
        import c2pa

        streams = [source, target, *([ingredient[2]] if ingredient else [])]
        action = {"action": "c2pa.edited", "digitalSourceType": SOURCE_TYPE, "description": LABEL}
        manifest = {
            "claim_generator_info": [{"name": "pvtt", "version": __version__}],
            "title": title,
            "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
        }
        if ingredient is None:
            action["action"] = "c2pa.created"
        try:
            info = c2pa.C2paSignerInfo(self.algorithm, self.certificates, self.key, None)
            context = c2pa.Context.from_dict(NO_NETWORK)
            with c2pa.Signer.from_info(info) as signer, c2pa.Builder(manifest, context=context) as builder:
                if ingredient is not None:
                    name, own_kind, stream = ingredient
                    builder.set_intent(c2pa.C2paBuilderIntent.EDIT)  # adds c2pa.opened, of the parent
                    builder.add_ingredient(json.dumps({"title": name, "relationship": "parentOf"}), own_kind, stream)
                builder.sign(signer, kind, source, target)
        except c2pa.C2paError as error:
            for stream in streams:
                stream.raise_fault()
            said = first_line(error).removeprefix("Signature: ")
            raise PvttError(f"the film cannot be signed: {said}") from None


class _Recording:
    """A file as the library takes it, which keeps the error that the library forgets."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._fault: OSError | None = None

    def raise_fault(self) -> None:
        """Raise what reading or writing met, if anything."""
        if self._fault is not None:
            raise self._fault

    def _call(self, name: str, *arguments: Any) -> Any:
        try:
            return getattr(self._file, name)(*arguments)
        except OSError as error:
            self._fault = self._fault or error
            raise

    def read(self, size: int = -1) -> bytes:
        return self._call("read", size)

    def write(self, data: bytes) -> int:
        return self._call("write", data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._call("seek", offset, whence)

    def tell(self) -> int:
        return self._call("tell")

    def flush(self) -> None:
        self._call("flush")


def read_signing(
    certificates: Path | None, key: Path | None, algorithm: str | None, output: Path | None
) -> Signing | None:
    """Who signs, tried out; None where nobody does.

    Args:
        certificates: A file of PEM: the signer's certificate, then those above it.
        key: A file of PEM, without a password.
        algorithm: One of `ALGORITHMS`; None takes the key's own.
        output: The film to be.

    Raises:
        MissingInputError: A file is not there.
        PvttError: They do not sign such a film, or the extra is not installed.
    """
    if certificates is None and key is None:
        if algorithm is not None:
            raise PvttError("--c2pa-alg is given, and no certificate", "give --c2pa-cert and --c2pa-key too")
        return None
    if certificates is None or key is None:
        missing = "--c2pa-cert" if certificates is None else "--c2pa-key"
        raise PvttError(f"{missing} is missing: a film is signed with a certificate and its key", f"give {missing} too")
    for path, option in ((certificates, "--c2pa-cert"), (key, "--c2pa-key")):
        if not path.is_file():
            raise MissingInputError(f"{path} does not exist", f"give {option} a file of PEM")
    if output is not None and output.suffix.lower() not in BOX_CONTAINERS:
        raise PvttError(
            f"a {output.suffix} cannot be signed: C2PA has no place in it",
            f"give -o a name that ends in {', '.join(BOX_CONTAINERS)}",
        )
    try:
        import c2pa  # noqa: F401
    except ImportError:
        raise PvttError("c2pa-python is not installed", "install it with `pip install 'pvtt[c2pa]'`") from None
    own, plain_key = _read_key(key)
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise PvttError(f"{algorithm!r} is no algorithm of C2PA", f"give --c2pa-alg one of {', '.join(ALGORITHMS)}")
    signing = Signing(certificates.read_bytes(), plain_key, algorithm or own)
    try:
        signing.try_out()
    except PvttError as error:
        raise PvttError(
            f"{certificates} and {key} sign nothing with {signing.algorithm}: {error.message.partition(': ')[2]}",
            "give --c2pa-cert the chain, the signer's certificate first, and --c2pa-key the key of that certificate",
        ) from None
    return signing


def _read_key(path: Path) -> tuple[str, bytes]:
    """A key's algorithm, and the key in the one form that the library takes."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except TypeError:
        raise PvttError(
            f"{path} has a password",
            "take it off into a file that only you can read: `openssl pkey -in KEY -out PLAIN`",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise PvttError(f"{path} is no private key in PEM", "give --c2pa-key the key of the certificate") from None
    algorithm = "ps256"
    if isinstance(key, EllipticCurvePrivateKey):
        algorithm = OF_CURVE.get(key.curve.name, "es256")
    elif isinstance(key, Ed25519PrivateKey):
        algorithm = "ed25519"
    return algorithm, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
