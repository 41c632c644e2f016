"""A strict reader of the LaTeX that tables are made of: what TeX would stumble over is an error here."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

KNOWN = {
    *("begin", "end", "centering", "caption", "label", "toprule", "midrule", "bottomrule", "multicolumn"),
    *("textbf", "textit", "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar"),
    *("ldots", "Delta", "sigma", "uparrow", "downarrow", "times", "circ", "pm", "geq", "leq", "alpha", "varepsilon"),
    *("cdot", "rightarrow"),
}
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[{}$&#_^~]|\n\n|[^\\{}$&#_^~\n]+|\n", re.DOTALL)


def require_latex(text: str) -> None:
    """Raise `AssertionError` where `text` is not tables that TeX, with booktabs, sets as they are meant."""
    text = re.sub(r"(?<!\\)%.*", "", text)
    open_braces, environments, maths = 0, [], False
    for match in TOKEN.finditer(text):
        token, where = match[0], f"{text[max(0, match.start() - 30) : match.end() + 10]!r}"
        if re.fullmatch(r"\\[a-zA-Z]+", token):
            assert token[1:] in KNOWN, f"no command: {where}"
            if token in (r"\begin", r"\end"):
                name = text[match.end() :].split("}", 1)[0].removeprefix("{")
                if token == r"\begin":
                    environments.append(name)
                else:
                    assert environments.pop() == name, f"ends another: {where}"
        elif token in "{}":
            open_braces += 1 if token == "{" else -1
            assert open_braces >= 0, f"closes nothing: {where}"
        elif token == "$":
            maths = not maths
        elif token == "&":
            assert environments[-1:] == ["tabular"], f"a column outside a table: {where}"
        elif token in "#_^~":
            allowed = maths and token == "^"
            assert allowed, f"a special character: {where}"
        elif token == "\n\n":
            assert not maths, f"a formula goes on over a paragraph: {where}"
    assert (open_braces, environments, maths) == (0, [], False), "something is left open"
    for columns, body in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        for row in re.split(r"\\\\", body)[:-1]:
            cells = len(re.findall(r"(?<!\\)&", row)) + 1
            whole = re.search(r"\\multicolumn\{(\d+)\}", row)
            assert (int(whole[1]) if whole else cells) == len(columns), f"other columns: {row!r}"
        for after in re.findall(r"\\\\\s*(\S)", body):
            assert after not in "[*", "what follows a row's end is read as its argument"


def set_by_tex(text: str, folder: Path, *, wide: bool = True) -> str:
    """Let pdfLaTeX set `text` as a document of its own; returns its log.

    Args:
        text: Tables.
        folder: An empty folder.
        wide: On paper on which no table is too wide.

    Raises:
        AssertionError: TeX stumbles.
    """
    paper = r"\usepackage[paperwidth=200cm,paperheight=100cm]{geometry}" if wide else ""
    head = "\n".join([r"\documentclass{article}", r"\usepackage[T1]{fontenc}", r"\usepackage{booktabs}", paper])
    (folder / "paper.tex").write_text(f"{head}\n\\begin{{document}}\n{text}\n\\end{{document}}\n", encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=folder, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "paper.pdf").read_bytes().startswith(b"%PDF")
    return done.stdout
