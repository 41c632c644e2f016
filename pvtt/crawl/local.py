"""Media on this machine's disk: of a folder, or of a feed that names paths."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pvtt.crawl.content import MediaReceiver, MediaType, max_bytes, probe
from pvtt.crawl.drafts import MediaKind, MediaRecord
from pvtt.crawl.publish import Resolved, Stored
from pvtt.crawl.state import Refusal
from pvtt.errors import first_line
from pvtt.files.atomic import atomic_path
from pvtt.files.links import lies_within
from pvtt.files.storage import raise_storage_fault
from pvtt.items.runner import ItemRejectedError
from pvtt.params.crawl import CrawlParams

_PIECE = 1 << 20


class LocalMedia:
    """Checks local files as downloads are checked.

    Args:
        root: Directory that no file may lie outside of, links followed (but those of DVC into its cache).
        staging: Where a copy waits until it is put into `data/`.
        held: Contents that `data/` holds already.
        params: How large a photo or video may be.
    """

    def __init__(self, root: Path, staging: Path, held: dict[str, Path], params: CrawlParams) -> None:
        self._root = root.resolve()
        self._staging = staging
        self._held = held
        self._params = params

    def resolve(self, kind: MediaKind, path: Path) -> Resolved:
        """The checked content of a file, copied unless `data/` holds it; or why it is refused."""
        try:
            real = path.resolve()
            if not lies_within(path, self._root):
                return None, Refusal("forbidden_path", f"it lies outside {self._root.name}/")
            if not real.is_file():
                return None, Refusal("missing_file", "there is no such file", failed=True)
            sha256, media_type, num_bytes = self._check(kind, real, None)
            stored = self._held.get(sha256) or self._copy(kind, real, sha256)
        except ItemRejectedError as rejected:
            return None, Refusal(rejected.reason, rejected.message)
        except (OSError, ValueError) as error:  # unreadable, or no path at all
            raise_storage_fault(error, path)
            return None, Refusal("missing_file", f"it cannot be read: {first_line(error)}", failed=True)
        record = MediaRecord(
            sha256=sha256,
            num_bytes=num_bytes,
            media_type=media_type.name,
            extension=media_type.extension,
            retrieved_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return Stored(record, stored), None

    def _check(self, kind: MediaKind, path: Path, copy: Path | None) -> tuple[str, MediaType, int]:
        target = None if copy is None else copy.open("wb")
        try:
            receiver = MediaReceiver(kind, max_bytes(kind, self._params), target)
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    receiver.write(piece)
            sha256, media_type = receiver.finish()
        finally:
            if target is not None:
                target.close()
        if copy is None:
            probe(path, media_type)
        return sha256, media_type, receiver.num_bytes

    def _copy(self, kind: MediaKind, path: Path, sha256: str) -> Path:
        staged = self._staging / sha256
        if not staged.is_file():
            with atomic_path(staged) as temporary:
                copied, _, _ = self._check(kind, path, temporary)
                if copied != sha256:
                    raise OSError(f"{path.name} changed while it was read")
        return staged
