"""One short file a stage: declared inputs and params in, declared outputs out.

Each module has `run(workspace, params, dispatcher)`; `dvc.yaml` lists the same stages with the same names.
"""

STAGES = (
    "clip",
    "segment",
    "photos",
    "validate",
    "encode",
    "train_stage1",
    "train_stage2",
    "evaluate",
    "decide",
    "report",
)
