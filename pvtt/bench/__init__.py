"""PVTT-Bench: how well a product takes another's place in whole films.

sets.py        a bench on disk, and a triplet's pixels
real.py        a team's own triplets, without a truth
contenders.py  who makes films of triplets
films.py       a contender's film of a triplet, made once; kept.py: what a run's folder holds
axes.py        the figures: four axes that are never merged
camera.py      the camera's way, against the true one
measure.py     a film's figures
run.py         contenders over triplets; what was done is kept
table.py       means with intervals over products; text.py, page.py: Markdown, LaTeX, HTML
votes.py       films as people compare them; people.py: what their votes come to, votes_text.py: as text
check.py       somebody else's films, looked over before they are sent in
"""
