"""One short file a stage: what it is called, reads, writes and works with, in one object, and how it assembles its
outputs. `all.py` lists them in order.
"""
