"""One unit of a stage's work, and the word with which its work says that it is off-spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from pvtt.records.base import Record
from pvtt.records.catalog import Reject

PayloadT = TypeVar("PayloadT", bound=Record)


class ItemRejectedError(Exception):
    """Raised by an item's work when the item is off-spec: recorded with its reason, cached, not a failure."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Item(Generic[PayloadT]):
    """One unit of work.

    Args:
        name: Stable and unique in the stage, for people and for order, for example `JEWE001_001`.
        payload: What the work function gets.
        inputs: Content hashes of everything the result depends on besides params and code.
        product_id: For the reject table.
    """

    name: str
    payload: PayloadT
    inputs: tuple[str, ...]
    product_id: str | None = None

    def failure(self, stage: str, reason: str, message: str) -> Reject:
        """The row of the reject table that says why there is no result."""
        return Reject(
            stage=stage, item=self.name, product_id=self.product_id, reason=reason, message=message, failed=True
        )
