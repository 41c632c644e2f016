"""The report: one self-contained HTML file that a person reads to see what a run came to, and why.

collect.py    everything that it shows, read from the workspace
plots.py      curves and bars as inline SVG
header.py     the first screen
sections.py   what each section shows, as plain records
templates/    how a section looks: one file a section, and the page
page.py       the templates, the style and the script in one file
paper.py      tables of one run for a paper; grid.py draws them as Markdown and LaTeX
cards/        the model card and the data card
compare/      runs side by side
figure.py     the README's picture: template | mask | photos | output
"""
