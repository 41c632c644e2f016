"""Typed, versioned records: what the parts hand to each other.

Everything that crosses a stage's border is one of these, parsed at the edge and frozen after.
"""
