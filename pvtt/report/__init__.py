"""The report: one self-contained HTML file that a person reads to see what a run came to, and why.

collect.py    everything that it shows, read from the workspace
plots.py      curves and bars as inline SVG
sections.py   what each section shows, as plain records
templates/    how a section looks: one file a section, and the page
page.py       the templates, the style and the script in one file
figure.py     the README's picture: template | mask | photos | output
"""
