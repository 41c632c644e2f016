"""Runs side by side: `pvtt report --compare A B C`.

files.py     what a run left: in a folder, or in a commit of Git with DVC's cache
sources.py   a folder, a revision or an experiment's name → what the run measured, and on what
record.py    the comparison as one record, from which every format is drawn
table.py     whether runs compare at all, every metric with its interval, paired differences to the first
pictures.py  the same samples from each
text.py      Markdown and LaTeX
page.py      one HTML file
"""
