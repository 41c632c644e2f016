"""What an error tells a person."""

from __future__ import annotations

import pickle

import pytest

from pvtt.errors import MissingInputError, first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n  header is cut off\nat byte 12"), "header is cut off"),
        (RuntimeError(" "), "RuntimeError"),
        (KeyError("latents"), "'latents'"),
    ],
)
def test_the_first_line_says_something_whatever_the_error_does(error: Exception, line: str) -> None:
    assert first_line(error) == line


def test_a_hint_crosses_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(MissingInputError("outs/clip is missing", "run `pvtt clip`")))
    assert (type(error), error.message, error.hint) == (MissingInputError, "outs/clip is missing", "run `pvtt clip`")
