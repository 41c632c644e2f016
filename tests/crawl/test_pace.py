from __future__ import annotations

import pytest

from pvtt.crawl.pace import (
    FIRST_WAIT_S,
    MAX_CRAWL_DELAY_S,
    MAX_WAIT_S,
    SLOWED_INTERVAL_S,
    HostBusyError,
    Pace,
    asks_to_wait,
    retry_after_s,
)

HOST = "shop.example:443"
NOON = 1_445_412_480.0  # Wed, 21 Oct 2015 07:28:00 GMT


def test_a_host_that_asks_for_nothing_is_asked_at_once() -> None:
    pace = Pace()
    assert [pace.claim(HOST, 5.0) for _ in range(3)] == [0, 0, 0]


def test_crawl_delay_lies_between_two_requests_of_one_host() -> None:
    pace = Pace()
    assert pace.slow_down(HOST, 2.0)
    assert pace.claim(HOST, 10.0) == 0
    assert pace.claim(HOST, 10.5) == 1.5
    assert pace.claim("other:443", 10.5) == 0
    assert pace.claim(HOST, 12.0) == 0
    assert pace.claim(HOST, 12.0) == 2.0


def test_a_long_crawl_delay_is_cut_and_says_so() -> None:
    pace = Pace()
    assert not pace.slow_down(HOST, 86400.0)
    pace.claim(HOST, 0.0)
    assert pace.claim(HOST, 0.0) == MAX_CRAWL_DELAY_S


def test_asking_for_robots_txt_does_not_delay_the_first_page() -> None:
    pace = Pace()
    pace.claim(HOST, 0.0, counts=False)
    pace.slow_down(HOST, 20.0)
    assert pace.claim(HOST, 0.1) == 0


def test_the_whole_host_waits_as_long_as_it_asks_and_is_then_asked_one_by_one() -> None:
    pace = Pace()
    pace.claim(HOST, 0.0)
    pace.asked_to_wait(HOST, 0.0, 429, 30.0)
    assert pace.claim(HOST, 1.0) == 29.0
    assert pace.claim(HOST, 30.0) == 0
    assert pace.claim(HOST, 30.0) == SLOWED_INTERVAL_S


def test_without_a_word_how_long_the_waits_double_once_for_requests_under_way_together() -> None:
    pace = Pace()
    for _ in range(8):
        pace.asked_to_wait(HOST, 0.0, 429, None)
    assert pace.claim(HOST, 0.0) == FIRST_WAIT_S
    pace.asked_to_wait(HOST, 10.0, 429, None)
    assert pace.claim(HOST, 10.0) == 2 * FIRST_WAIT_S


def test_beyond_the_cap_the_host_is_not_asked_until_its_time_has_come() -> None:
    pace = Pace()
    pace.asked_to_wait(HOST, 0.0, 503, 3600.0)
    with pytest.raises(HostBusyError, match=r"status 503, Retry-After: 3600 s.*crawl again later"):
        pace.claim(HOST, 1.0)
    assert pace.claim("other:443", 1.0) == 0
    assert pace.claim(HOST, 3600.0) == 0


def test_many_short_waits_without_a_good_answer_are_one_long_wait() -> None:
    pace = Pace()
    now = 0.0
    while now <= MAX_WAIT_S - 50.0:
        now += pace.claim(HOST, now)
        pace.asked_to_wait(HOST, now, 429, 50.0)
    with pytest.raises(HostBusyError):
        pace.claim(HOST, now)
    pace = Pace()
    for now in range(0, 1000, 60):  # a good answer between them begins anew
        pace.asked_to_wait(HOST, now, 429, 50.0)
        assert pace.claim(HOST, now + 50.0) == 0
        pace.answered(HOST, now + 50.0)


def test_a_good_answer_to_an_earlier_request_does_not_take_back_what_a_host_asks_for() -> None:
    pace = Pace()
    pace.asked_to_wait(HOST, 0.0, 429, 86400.0)
    pace.answered(HOST, 0.1)  # to a request that was under way
    with pytest.raises(HostBusyError):
        pace.claim(HOST, 0.2)
    pace = Pace()
    pace.asked_to_wait(HOST, 0.0, 429, 30.0)
    pace.answered(HOST, 0.1)
    assert pace.claim(HOST, 1.0) == 29.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("9" * 5000, 999_999_999_999),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
        ("Wednesday, 21-Oct-15 07:29:00 GMT", 60),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 251_956_888_319),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999999999999 07:28:00 GMT", None),
        ("\x00", None),
    ],
)
def test_retry_after(value: str | None, expected: float | None) -> None:
    assert retry_after_s(value, NOON) == expected


@pytest.mark.parametrize(
    ("status", "has_retry_after", "expected"),
    [
        (429, False, True),
        (429, True, True),
        (503, True, True),
        (500, True, True),
        (503, False, False),
        (404, True, False),
    ],
)
def test_which_answers_ask_to_wait(status: int, has_retry_after: bool, expected: bool) -> None:
    assert asks_to_wait(status, has_retry_after) is expected
