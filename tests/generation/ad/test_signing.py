"""A film that is signed, as the C2PA library reads it."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import pvtt
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.hashing import sha256_file
from pvtt.generation.ad import job
from pvtt.generation.ad.label import SOURCE_TYPE
from pvtt.generation.ad.signing import Signing, read_signing
from pvtt.generation.ad.template import read_template
from pvtt.media.video import read_video
from tests.generation.ad.films import disc_shot, packets, uneven_times, write_film, write_model, write_photos
from tests.generation.ad.test_label import XMP_UUID, boxes, source_type

pytest.importorskip("c2pa", reason="needs the extra `c2pa`")
from tests.generation.ad.certificates import SEC1, write_chain

FILM = Path("new.mp4")


def read_back(film: Path) -> dict[str, Any]:
    """What the library says of a film: `state`, and the newest manifest."""
    import c2pa

    with film.open("rb") as file, c2pa.Reader("video/mp4", file) as reader:
        said = json.loads(reader.json())
    return {"state": said["validation_state"], **said["manifests"][said["active_manifest"]]}


def signing_of(folder: Path) -> Signing:
    signing = read_signing(*write_chain(folder), None, FILM)
    assert signing is not None
    return signing


def test_an_ad_is_signed_and_says_what_it_was_made_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setenv("PVTT_CACHE_DIR", str(tmp_path / "cache"))
    film = write_film(tmp_path / "ad.mp4", disc_shot(215, num_frames=9)[0], uneven_times(9))
    photos, model = write_photos(tmp_path), write_model(tmp_path)
    certificates, key = write_chain(tmp_path)
    plain = pvtt.generate(film, photos, tmp_path / "plain.mp4", model=model, compare=False)
    record = pvtt.generate(
        film, photos, tmp_path / "new.mp4", model=model, compare=False, c2pa_cert=certificates, c2pa_key=key
    )
    manifest = read_back(tmp_path / "new.mp4")
    assert manifest["state"] == "Valid"
    assert manifest["title"] == "new.mp4"
    assert manifest["claim_generator_info"][0]["name"] == "pvtt"
    assert manifest["signature_info"]["common_name"] == "A shop"
    (actions,) = [one["data"]["actions"] for one in manifest["assertions"] if one["label"].startswith("c2pa.actions")]
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"] == SOURCE_TYPE
    assert [(one["title"], one["relationship"]) for one in manifest["ingredients"]] == [("ad.mp4", "parentOf")]

    assert record.signature is not None
    assert record.signature.algorithm == "es256"
    assert record.signature.unsigned_sha256 == plain.output_sha256
    assert record.output_sha256 == sha256_file(tmp_path / "new.mp4") != plain.output_sha256
    assert record.produce_id == plain.produce_id
    assert key.read_text().splitlines()[1] not in (tmp_path / "new.json").read_text()
    kind, content = boxes((tmp_path / "new.mp4").read_bytes())[-1]
    assert (kind, content[:16].hex()) == ("uuid", XMP_UUID)
    assert source_type(content[16:].decode()) == SOURCE_TYPE
    one, other = read_template(tmp_path / "new.mp4"), read_template(film)
    assert (one.times, one.end) == (other.times, other.end)
    assert (read_video(tmp_path / "new.mp4") == read_video(tmp_path / "plain.mp4")).all()
    assert packets(tmp_path / "new.mp4", "audio") == packets(film, "audio")
    assert not list(tmp_path.glob(".tmp-*"))

    again = job.repeat(tmp_path / "new.json", tmp_path / "again.mp4", compare=False)
    assert again.output_sha256 == record.signature.unsigned_sha256


def test_a_signed_film_that_was_changed_is_found_out(tmp_path: Path) -> None:
    film = write_film(tmp_path / "ad.mp4", disc_shot(200)[0])
    signing_of(tmp_path).sign(film, film, tmp_path / "new.mp4", "new.mp4")
    assert read_back(tmp_path / "new.mp4")["state"] == "Valid"
    data = bytearray((tmp_path / "new.mp4").read_bytes())
    data[-100] ^= 1
    (tmp_path / "new.mp4").write_bytes(data)
    assert read_back(tmp_path / "new.mp4")["state"] == "Invalid"


def test_a_key_in_openssls_older_form_is_taken(tmp_path: Path) -> None:
    signing = read_signing(*write_chain(tmp_path, form=SEC1), None, FILM)
    assert signing is not None
    assert signing.algorithm == "es256"
    assert "PRIVATE" not in repr(signing)


def test_what_does_not_sign_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    certificates, key = write_chain(tmp_path)
    _, other = write_chain(tmp_path, "other")
    old, old_key = write_chain(tmp_path, "old", days=-1)
    _, locked = write_chain(tmp_path, "locked", password="secret")
    (tmp_path / "none.pem").write_text("none")
    none = tmp_path / "none.pem"
    cases: list[tuple[tuple[Any, ...], type[PvttError], str]] = [
        ((certificates, other, None, FILM), PvttError, "sign nothing with es256: the signature does not match"),
        ((certificates, key, "ps256", FILM), PvttError, "sign nothing with ps256: "),
        ((none, key, None, FILM), PvttError, "sign nothing with es256: "),
        (
            (old, old_key, None, FILM),
            PvttError,
            "sign nothing with es256: the certificate was not valid at time of signing",
        ),
        ((certificates, none, None, FILM), PvttError, r"none\.pem is no private key in PEM"),
        ((certificates, locked, None, FILM), PvttError, r"locked\.key has a password"),
        ((certificates, key, "md5", FILM), PvttError, "'md5' is no algorithm of C2PA"),
        ((certificates, key, None, Path("new.mkv")), PvttError, r"a \.mkv cannot be signed"),
        ((certificates, None, None, FILM), PvttError, "--c2pa-key is missing"),
        ((None, key, None, FILM), PvttError, "--c2pa-cert is missing"),
        ((None, None, "es256", FILM), PvttError, "--c2pa-alg is given, and no certificate"),
        ((certificates, tmp_path / "no.key", None, FILM), MissingInputError, r"no\.key does not exist"),
    ]
    for arguments, kind, says in cases:
        with pytest.raises(kind, match=says) as raised:
            read_signing(*arguments)
        assert raised.value.hint
        assert "\n" not in raised.value.message
    assert read_signing(None, None, None, FILM) is None


def test_a_wrong_key_is_told_before_anything_is_made(tmp_path: Path) -> None:
    certificates, _ = write_chain(tmp_path)
    _, other = write_chain(tmp_path, "other")
    film = tmp_path / "none.mp4"  # which would be the next thing to be missed
    photos = write_photos(tmp_path)
    with pytest.raises(PvttError, match="sign nothing with es256"):
        pvtt.generate(film, photos, tmp_path / "out" / "new.mp4", c2pa_cert=certificates, c2pa_key=other)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    film = write_film(tmp_path / "ad.mp4", disc_shot(200)[0])
    with pytest.raises(OSError, match="No space left") as raised:
        signing_of(tmp_path).sign(film, film, Path("/dev/full"), "new.mp4")
    assert raised.value.errno == errno.ENOSPC


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates, key = write_chain(tmp_path)
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(PvttError, match="c2pa-python is not installed") as raised:
        read_signing(certificates, key, None, FILM)
    assert raised.value.hint == "install it with `pip install 'pvtt[c2pa]'`"
