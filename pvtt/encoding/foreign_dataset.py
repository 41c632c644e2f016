"""Foreign clips that are encoded, as training reads them; `pvtt.encoding.foreign` says what they are."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from pvtt.encoding.store import reading
from pvtt.errors import PvttError
from pvtt.records.dataset import read_foreign


class ForeignDataset:
    """The foreign clips that are encoded.

    Args:
        folder: The encode stage's output directory.
        latent_shape: (C, F', h, w) of the samples that they are trained with.

    Raises:
        MissingInputError: The encode stage has not run.
        PvttError: There are none, or they are of another shape.
    """

    def __init__(self, folder: Path, latent_shape: tuple[int, int, int, int]) -> None:
        self._folder = folder
        self.samples = read_foreign(folder)
        if not self.samples:
            raise PvttError(
                "train.loss.foreign_preservation is on, but no foreign clip is encoded",
                "set encode.preservation_clips to a folder of films without these products, and run `dvc repro encode`",
            )
        for sample in self.samples:
            if sample.latent_shape != latent_shape:
                raise PvttError(
                    f"the foreign clip {sample.name} has latents {sample.latent_shape}, the samples {latent_shape}",
                    "run `dvc repro --force encode`",
                )

    def read(self, index: int, variant: int) -> tuple[Tensor, Tensor]:
        """A window's latents, (1, C, F', h, w), and its caption's embedding, (1, T, Dt), float32.

        Raises:
            PvttError: The file is missing or damaged.
        """
        from safetensors import safe_open

        path = self._folder / self.samples[index].path
        with reading(path), safe_open(path, framework="pt") as file:
            latents, text = file.get_slice("latents")[variant], file.get_tensor("text")
        return latents[None].float(), text[None].float()
