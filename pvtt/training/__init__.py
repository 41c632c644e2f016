"""Training: encoded samples and a base model in, a complete pipeline folder out.

    dataset.py      the sequence in which encoded samples are drawn, and their batches
    objective.py    a batch → its loss
    terms.py        the terms of the loss: what each needs
    losses.py       their formulas
    loss_inputs.py  what they need besides a batch
    parameters.py   which parameters are trained
    lora.py         an adapter in their place
    attention.py    which kernels compute attention
    precision.py    what is computed in bfloat16
    processes.py    what several processes must agree on
    sharding.py     tensors of FSDP2, whole and in shards
    state.py        what a training changes, for a checkpoint and back
    checkpoint.py   a training's whole state on disk, for an exact resume; sharded_checkpoint.py: of several processes
    saving.py       whichever of the two fits
    start.py        the model and the optimizer that it begins with
    result.py       what it leaves
    held_out.py     loss of held-out samples at fixed noise levels, sample pictures
    log.py          its numbers for Weights & Biases
    loop.py         the training itself

Every random draw is a function of the seed and the sample's position in the training sequence. So a resumed training
needs nothing but the position to continue exactly, and how samples are spread over batches, processes or machines does
not change what is drawn.
"""
