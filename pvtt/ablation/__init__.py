"""Ablations: rows of changed params, each trained with several seeds, in one table.

    infra/ablations/*.yaml ──► rows × seeds = experiments ──► a queue over folders, each a workspace
    workspace: params.yaml, links to code, data and models ──► pvtt encode, train_stage1, train_stage2, evaluate
    outs/evaluate of all ──► mean and interval over seeds and products, paired differences ──► table, plot, sheet

Nothing here makes a result: the stages do, by their ordinary commands.
"""
