"""The first thing to run at a new scale: can the model learn a few samples by heart?

    scratch.py   a few encoded samples in a folder of their own, and the training on them
    result.py    what came of it, and what to try where it is not enough
    check.py     train, generate from noise, compare with the VAE's ceiling

A model, a loss and data that fit together bring a few samples as close to the truth as the VAE can show them. Where
they do not, hours of training on many samples will not either.
"""
