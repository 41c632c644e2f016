"""Whether every row trains something: its patterns held against its model, before hours are spent on other rows."""

from __future__ import annotations

from pvtt.ablation.spec import Ablation, row_params
from pvtt.errors import ParamsError
from pvtt.files.workspace import Workspace
from pvtt.params.overrides import Values


def check_trainable(ablation: Ablation, values: Values, project: Workspace) -> None:
    """Hold `train.<stage>.trainable` of all rows against the transformers that they would train; no weight is loaded.

    Args:
        ablation: The file.
        values: The project's params.
        project: The checkout whose base models are taken.

    Raises:
        ParamsError: A pattern matches no parameter; names the row and the nearest names.
        MissingInputError: A base is missing.
    """
    import torch

    from pvtt.models.loading import read_transformer_config
    from pvtt.models.summary import new_transformer
    from pvtt.training.parameters import match_parameters

    for row in ablation.rows():
        params = row_params(ablation, values, row, ablation.seeds_of(row)[0])
        config = read_transformer_config(project.root / params.model.base)
        with torch.device("meta"):
            names = [name for name, _ in new_transformer(params, config, params.model.conditioning).named_parameters()]
        for stage, settings in (("stage1", params.train.stage1), ("stage2", params.train.stage2)):
            try:
                match_parameters(names, settings.trainable, f"train.{stage}.trainable")
            except ParamsError as error:
                raise ParamsError(f"row {row.name}: {error.message}", error.hint) from None
