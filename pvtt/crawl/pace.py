"""How often a host is asked: Crawl-delay, and the waits that it asks for with 429 and Retry-After.

Pure, with the time given: `pvtt.crawl.polite` waits.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

MAX_CRAWL_DELAY_S = 30.0  # a longer Crawl-delay counts as this
MAX_WAIT_S = 120.0  # how long a crawl waits for one host between two good answers
FIRST_WAIT_S = 5.0  # after a 429 without Retry-After; doubles each time
SLOWED_INTERVAL_S = 1.0  # between requests to a host that has asked to wait
TOO_MANY_REQUESTS = 429


class HostBusyError(Exception):
    """A host asks to wait longer than a crawl does: its pages are asked for by the next crawl."""


@dataclass
class _Host:
    interval_s: float = 0.0
    last: float = -math.inf  # when it was asked
    not_before: float = -math.inf
    busy_since: float | None = None  # its first request to wait after its last good answer
    num_waits: int = 0  # since then
    why: str = ""


class Pace:
    """When each host may be asked. All times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}

    def slow_down(self, host: str, interval_s: float) -> bool:
        """Keep at least this between two requests. Returns False where it was cut to `MAX_CRAWL_DELAY_S`."""
        known = self._host(host)
        known.interval_s = max(known.interval_s, min(interval_s, MAX_CRAWL_DELAY_S))
        return interval_s <= MAX_CRAWL_DELAY_S

    def claim(self, host: str, now: float, *, counts: bool = True) -> float:
        """Seconds until the host may be asked; at 0 it is asked now, and where that `counts`, the next one waits.

        Raises:
            HostBusyError: The host has asked to wait too long.
        """
        known = self._host(host)
        if now < known.not_before and known.busy_since is not None and known.not_before - known.busy_since > MAX_WAIT_S:
            raise HostBusyError(known.why)
        wait = max(known.not_before, known.last + known.interval_s) - now
        if wait > 0:
            return wait
        if counts:
            known.last = now
        return 0.0

    def asked_to_wait(self, host: str, now: float, status: int, seconds: float | None) -> None:
        """Note an answer that asks to wait; `seconds` is what its Retry-After says, None where there is none."""
        known = self._host(host)
        known.interval_s = max(known.interval_s, SLOWED_INTERVAL_S)
        if known.busy_since is None:
            known.busy_since = now
        if seconds is None and now < known.not_before:
            return  # one of several requests that were under way together
        said = f"Retry-After: {seconds:.0f} s" if seconds is not None else "without Retry-After"
        if seconds is None:
            seconds = FIRST_WAIT_S * 2**known.num_waits
        known.num_waits += 1
        known.not_before = max(known.not_before, now + seconds)
        limit = f"a crawl waits {MAX_WAIT_S:.0f} s at most: crawl again later"
        known.why = f"{host} asks to wait (status {status}, {said}), and {limit}"

    def answered(self, host: str, now: float) -> None:
        """Note an answer that does not ask to wait; while the host has us wait, it is to a request from before."""
        known = self._host(host)
        if now >= known.not_before:
            known.busy_since, known.num_waits = None, 0

    def _host(self, host: str) -> _Host:
        return self._hosts.setdefault(host, _Host())


def retry_after_s(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3): a number of them, or a date.

    Args:
        value: The header; None where there is none.
        now: The server's time if it says it, else ours, as seconds since 1970.

    Returns:
        At least 0; None where the header says nothing that can be read.
    """
    value = (value or "").strip()
    if re.fullmatch(r"[0-9]+", value):
        return float(value[:12])  # 30 thousand years, where it has more digits
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def asks_to_wait(status: int, has_retry_after: bool) -> bool:
    """Whether an answer asks to wait: each 429, and a server error with Retry-After."""
    return status == TOO_MANY_REQUESTS or (status >= 500 and has_retry_after)
