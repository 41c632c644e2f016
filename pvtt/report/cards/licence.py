"""Licences as the Hub names them."""

from __future__ import annotations

from collections.abc import Iterable

UNKNOWN = "unknown"
# Of a licence's address, or its name, in lower case: what is in it → its id on the Hub. The first that fits.
_IDS = (
    ("publicdomain/zero", "cc0-1.0"),
    ("cc0", "cc0-1.0"),
    ("licenses/by-nc-nd/4", "cc-by-nc-nd-4.0"),
    ("licenses/by-nc-sa/4", "cc-by-nc-sa-4.0"),
    ("licenses/by-nc/4", "cc-by-nc-4.0"),
    ("licenses/by-nd/4", "cc-by-nd-4.0"),
    ("licenses/by-sa/4", "cc-by-sa-4.0"),
    ("licenses/by/4", "cc-by-4.0"),
    ("apache.org/licenses/license-2.0", "apache-2.0"),
    ("apache-2.0", "apache-2.0"),
    ("opensource.org/licenses/mit", "mit"),
)
ASKS_NOTHING = frozenset({"cc0-1.0", "apache-2.0", "mit"})  # of who passes on what was made with it, but a notice


def hub_licence(licence: str | None) -> str:
    """The Hub's id of a licence; `unknown` where there is none, `other` where it is none of those known here."""
    if licence is None or not licence.strip():
        return UNKNOWN
    text = licence.lower()
    return next((found for part, found in _IDS if part in text), "other")


def hub_licences(licences: Iterable[str | None]) -> list[str]:
    """The ids of several, each once, in the order of the alphabet."""
    return sorted({hub_licence(one) for one in licences})
