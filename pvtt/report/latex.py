"""Text of tables for LaTeX."""

from __future__ import annotations

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "Δ": r"$\Delta$",
    "σ": r"$\sigma$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "×": r"$\times$",
    "°": r"$^\circ$",
    "−": "$-$",
}


def escape(text: str) -> str:
    """`text` as LaTeX sets it: its special characters, and the signs that tables have, as commands."""
    return "".join(_LATEX.get(character, character) for character in text)
