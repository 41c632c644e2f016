"""Scrapy's extension points that keep requests on the allow-list: URLs before they are asked, addresses of names.

Needs an installed Twisted reactor; only the child process imports it.
"""
# Twisted is typed in part, and its interfaces are in camel case.
# ruff: noqa: N802, N803
# mypy: disallow-untyped-calls=False, disable-error-code="misc,import-untyped"

from __future__ import annotations

from typing import Any

from scrapy import Request
from scrapy.crawler import Crawler
from twisted.internet import reactor
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from pvtt.crawl.guard import HostPolicy, address_fault
from pvtt.items.runner import ItemRejectedError

POLICY = "PVTT_POLICY"  # Scrapy setting: the `HostPolicy` of the crawl
ROBOTS = "pvtt_robots"  # request meta, of a robots.txt: the list of URLs that were asked for it, to which each is added


class HostGuard:
    """Downloader middleware before all others: refuses requests outside the policy, also redirects and robots.txt."""

    def __init__(self, crawler: Crawler) -> None:
        self._policy: HostPolicy = crawler.settings[POLICY]

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> HostGuard:
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        fault = self._policy.fault(request.url)
        if ROBOTS in request.meta:
            request.meta[ROBOTS].append(request.url)
        if fault is not None:
            raise ItemRejectedError("forbidden_host", fault)


@implementer(IHostnameResolver)
class GuardedResolver:
    """Leaves out addresses that must not be connected to, so that no name points the crawl into a private network."""

    refused: dict[str, str] = {}  # noqa: RUF012  host name: why all its addresses were left out

    def __init__(self, crawler: Crawler, wrapped: Any) -> None:
        policy: HostPolicy = crawler.settings[POLICY]
        self._allow_loopback = policy.allow_loopback
        self._wrapped = wrapped

    @classmethod
    def from_crawler(cls, crawler: Crawler, reactor: Any) -> GuardedResolver:
        return cls(crawler, reactor.nameResolver)

    def install_on_reactor(self) -> None:
        reactor.installNameResolver(self)

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        receiver = _FilteringReceiver(resolutionReceiver, hostName, self._allow_loopback)
        resolution: IHostResolution = self._wrapped.resolveHostName(
            receiver, hostName, portNumber, addressTypes, transportSemantics
        )
        return resolution


@implementer(IResolutionReceiver)
class _FilteringReceiver:
    def __init__(self, wrapped: Any, host: str, allow_loopback: bool) -> None:
        self._wrapped = wrapped
        self._host = host
        self._allow_loopback = allow_loopback
        self._num_passed = 0
        self._fault: str | None = None

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self._wrapped.resolutionBegan(resolutionInProgress)

    def addressResolved(self, address: IAddress) -> None:
        fault = address_fault(address.host, self._allow_loopback)
        if fault is None:
            self._num_passed += 1
            self._wrapped.addressResolved(address)
        else:
            self._fault = fault

    def resolutionComplete(self) -> None:
        if self._fault is not None and not self._num_passed:
            GuardedResolver.refused[self._host] = f"{self._host} resolves to an address that is refused: {self._fault}"
        self._wrapped.resolutionComplete()
