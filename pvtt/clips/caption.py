"""A clip's caption: one sentence that says what the product is, once."""

from __future__ import annotations

import re

SAID = 0.5  # of the title's words: a sentence that has so many needs no title beside it
# An ideograph is a word of its own; a full stop before a small letter or a figure is an abbreviation's.
_WORD = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\W\u3400-\u9fff\uf900-\ufaff]+")
_END_OF_SENTENCE = re.compile(r"[.!?]+(?=\s+[^\sa-z\d])|[。！？]+")


def caption_of(title: str, description: str) -> str:
    """What stands beside a product's clips.

    Args:
        title: The product's; it may be empty.
        description: The shop's text, of any length; its first sentence is taken, with the title before it where the
            sentence does not say the same. A shop that repeats its title there would else have it said twice, and what
            sets the product apart be cut off at the text encoder's last token.

    Returns:
        A sentence without full stop and line breaks; empty where there is neither.
    """
    title = _tidy(title)
    sentence = _tidy(_END_OF_SENTENCE.split(description, maxsplit=1)[0])
    if not title or not sentence:
        return title or sentence
    known, named = _words(sentence), _words(title)
    if len(named & known) >= SAID * len(named):
        return sentence
    return f"{title}, {sentence}"


def _tidy(text: str) -> str:
    return " ".join(text.split()).strip("。.！!？? ")


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}
