"""The report: one self-contained HTML file that a person reads to see what a run came to, and why.

collect.py    everything that it shows, read from the workspace
plots.py      curves and bars as inline SVG
sections.py   each section as HTML
page.py       the sections, the style and the script in one file
figure.py     the README's picture: template | mask | photos | output
"""
