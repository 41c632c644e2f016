"""The evaluator tests itself before it tests a model, on a small drawn sample with known answers.

A library update, or a change of the project's own, that reverses a sign or a mask shows here, before it shows in a
decision. `tests/evaluation/test_mutations.py` plants faults into the evaluator and counts how many are caught.
"""
