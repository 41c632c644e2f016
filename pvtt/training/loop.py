"""The training of one stage.

model, data ──► resume from the newest checkpoint of this very training, if there is one
step: positions ──► draws ──► batch ──► loss ──► gradients ──► clip ──► AdamW or Muon ──► schedule ──► EMA
      now and then: held-out samples on the EMA weights, a checkpoint
end:  EMA weights ──► outs/<stage>/model, a complete pipeline folder; the checkpoints are removed
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pvtt.encoding.foreign_dataset import ForeignDataset
from pvtt.encoding.store import EncodedDataset
from pvtt.errors import ParamsError, PvttError
from pvtt.files.atomic import atomic_directory
from pvtt.files.hashing import sha256_json
from pvtt.files.workspace import require_output
from pvtt.items.progress import Progress
from pvtt.models.bases import ProductTransformer
from pvtt.models.contracts import Contracts
from pvtt.models.loading import load_scheduler, load_vae, require_pipeline
from pvtt.records.training import TrainingMetrics
from pvtt.training.attention import set_attention
from pvtt.training.batches import Batches, Positions
from pvtt.training.checkpoint import CheckpointStore, rng_state, set_rng_state
from pvtt.training.dataset import Batch, HighNoise, SampleSequence
from pvtt.training.held_out import HeldOut
from pvtt.training.history import summarise_history
from pvtt.training.job import TrainJob, key_parts
from pvtt.training.log import TrainingLog
from pvtt.training.lora import prepare_trainable
from pvtt.training.loss_inputs import load_loss_inputs
from pvtt.training.model import (
    encode_constants,
    tokens_of,
)
from pvtt.training.objective import evaluate_loss, require_masks
from pvtt.training.parameters import shorten
from pvtt.training.precision import in_bf16
from pvtt.training.preemption import DeferredSignals
from pvtt.training.processes import Processes
from pvtt.training.result import save_model, write_records
from pvtt.training.runtime import accelerate_for, compile_blocks, deterministic, machine
from pvtt.training.saving import Saver
from pvtt.training.sharding import reshard, shard, whole
from pvtt.training.start import new_optimizer, require_spread, start_model
from pvtt.training.state import TrainedState

if TYPE_CHECKING:
    from accelerate import Accelerator


def train(job: TrainJob) -> TrainingMetrics:
    """Run a stage's training and write `outs/<stage>`; continues an interrupted training of the same job exactly.

    Raises:
        MissingInputError: The data or the model to start from is not there.
        ParamsError: A pattern of trainable parameters matches nothing, the batch does not divide, nothing can be
            compiled here, or the attention's backend does not run here.
        PvttError: The loss is not finite; names the samples.
        StorageError: A checkpoint or the result could not be written.
    """
    params, accumulation = job.params.train, job.settings.gradient_accumulation
    with deterministic(params.deterministic), accelerate_for(params, accumulation) as accelerator:
        return Training(job, accelerator).run()


class Training:
    """One training: its model, data, optimizer and history.

    Args:
        job: The stage to train, its params and its inputs.
        accelerator: The devices and processes that it trains on, and their precision.
    """

    def __init__(self, job: TrainJob, accelerator: Accelerator) -> None:
        from accelerate.utils import DistributedType
        from diffusers.training_utils import EMAModel
        from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

        self.job = job
        self.accelerator = accelerator
        self.params = job.params.train
        self.settings = settings = job.settings
        self.processes = Processes(accelerator)
        require_spread(job, accelerator.num_processes)
        if job.stage == "train_stage2":
            require_output(job.source, "train_stage1")
        require_pipeline(job.source)
        self.dataset = EncodedDataset(job.encoded, "train")
        self.foreign = None
        if self.params.loss.foreign_preservation > 0:
            self.foreign = ForeignDataset(job.encoded, self.dataset.samples[0].latent_shape)
        self.sequence = SampleSequence(
            self.dataset.samples,
            job.params.seed,
            self.params.product_dropout,
            self.params.text_dropout,
            self.params.view_dropout,
            HighNoise.from_params(self.params),
            () if self.foreign is None else self.foreign.samples,
        )
        self.contracts = Contracts.load(job.encoded)
        self.constants = encode_constants(
            job.source,
            job.params.encode,
            self.contracts.mask.fill,
            self.dataset.samples[0].latent_shape,
            with_latents=self.params.loss.preservation > 0 or self.foreign is not None,
        )
        if self.params.loss.point_patch > 0 and self.dataset.read(0, 0).point_patches is None:
            raise ParamsError(
                "train.loss.point_patch is on, but the samples were encoded without tracked points",
                "set encode.point_tracks, for example to 8, and run `dvc repro encode`",
            )
        self.loss_inputs = load_loss_inputs(
            self.params, job.workspace.root, job.source, job.base, self.constants.empty_latents, accelerator.device
        )

        model = start_model(job, tokens_of(self.dataset.read(0, 0).conditions))
        self.trainable_names = prepare_trainable(model, settings, job.settings_key, job.params.seed)
        self.num_parameters = sum(parameter.numel() for parameter in model.parameters())
        self.num_trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        is_sharded = accelerator.distributed_type == DistributedType.FSDP
        set_attention(model, self.params.attention, accelerator.device, self.params.precision == "bf16")
        if self.params.gradient_checkpointing:
            model.enable_gradient_checkpointing()
        if self.params.compile:
            compile_blocks(model, accelerator.device)
        if self.params.precision == "bf16":
            in_bf16(model, accelerator.device, is_sharded)
        model.train()
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = new_optimizer(self.params, settings, trainable, is_sharded)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        # Stepped once a step by the loop; accelerate's wrapper would step it once a process.
        self.schedule = get_cosine_with_min_lr_schedule_with_warmup(
            self.optimizer, settings.warmup_steps, settings.steps, min_lr_rate=settings.min_lr_fraction
        )
        self.trainable: list[Tensor] = [p for p in self.transformer.parameters() if p.requires_grad]
        self.ema = EMAModel(self._shards(), decay=settings.ema_decay, foreach=True)
        self.ema.to(accelerator.device)

        self.step = 0
        self.position = 0
        self.history: list[dict[str, float]] = []
        self.held_out_rows: list[dict[str, float]] = []
        self.key_parts = key_parts(job)
        self.store = CheckpointStore(job.workspace.checkpoints / job.stage, sha256_json(self.key_parts))
        state = TrainedState(self.trainable_names, self.trainable, self.ema, self.optimizer)
        self.saver = Saver(self.store, self.processes, state)
        self.held_out = HeldOut(
            EncodedDataset(job.encoded, "val"),
            self.params,
            self.constants,
            settings.batch_size,
            job.params.seed,
            accelerator.device,
            self.processes,
        )

    @property
    def transformer(self) -> ProductTransformer:
        """The model without accelerate's wrappers for several processes."""
        unwrapped: ProductTransformer = self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=True)
        return unwrapped

    def _shards(self) -> list[Tensor]:
        """What this process holds of the trainable parameters; EMA is of these."""
        return [shard(parameter) for parameter in self.trainable]

    # -- the training

    def run(self) -> TrainingMetrics:
        names = shorten(self.trainable_names)
        self._say(f"training {self.num_trainable:,} of {self.num_parameters:,} parameters:\n{names}")
        self._resume()
        workspace, stage, settings = self.job.workspace, self.job.stage, self.settings
        progress_file = workspace.progress / f"{stage}.json" if self.accelerator.is_main_process else None
        mode = self.params.wandb if self.accelerator.is_main_process else "disabled"
        config = json.loads(self.job.params.model_dump_json(by_alias=True))
        with (
            DeferredSignals() as signals,
            TrainingLog(mode, workspace.state, stage, f"{stage}-{self.store.key[:16]}", config) as log,
            Progress(stage, settings.steps, progress_file, done=self.step, unit="steps") as progress,
        ):
            self._log_past(log)
            if self.step == 0:
                self._measure_held_out(log)
            while self.step < settings.steps:
                row = self.train_step()
                self.history.append(row)
                log.log(_logged(row), self.step)
                if self.step % settings.validate_every == 0 or self.step == settings.steps:
                    self._measure_held_out(log)
                progress.update(self.step, f"loss {row['loss']:.4f}")
                received = self.processes.union([] if signals.received is None else [signals.received])
                stopping = bool(received)
                if stopping or self.step % settings.checkpoint_every == 0 or self.step == settings.steps:
                    self._save_checkpoint()
                if stopping:
                    self.saver.wait()
                    log.finish()  # what the signal does may leave no time for it
                    self._say(f"stopped after step {self.step}; the same command continues from there")
                    signals.deliver(received[0])  # also where it did not arrive: nobody trains on alone
        return self._finish()

    def _log_past(self, log: TrainingLog) -> None:
        """Log what an interrupted training has done already."""
        past = [(row["step"], _logged(row)) for row in self.history]
        past += [(row["step"], _logged_held_out(row)) for row in self.held_out_rows]
        for step, values in sorted(past, key=lambda entry: entry[0]):
            log.log(values, int(step))

    def train_step(self) -> dict[str, float]:
        """One optimizer step; returns its row of the history."""
        settings, accelerator = self.settings, self.accelerator
        sums: dict[str, Tensor] = {}
        lr = self.schedule.get_last_lr()[0]
        grad_norm = torch.zeros(())
        for _ in range(settings.gradient_accumulation):
            with self.processes.together():
                batch = next(self.batches)
                require_masks(batch, self.params.loss, self.job.settings_key)
            with accelerator.accumulate(self.model):
                loss = evaluate_loss(self.model, batch, self.params, self.loss_inputs)
                self._require_finite(loss.total, batch.keys)
                accelerator.backward(loss.total.mean())
                if accelerator.sync_gradients:
                    grad_norm = whole(accelerator.clip_grad_norm_(self.trainable, settings.max_grad_norm))
                    self._require_finite(grad_norm, batch.keys)
                self.optimizer.step()
                self.optimizer.zero_grad()
            parts = {"loss": loss.total.detach()} | {f"loss_{name}": part for name, part in loss.parts.items()}
            for name, part in parts.items():
                sums[name] = sums.get(name, 0) + part.mean()
        self.schedule.step()
        self.ema.step(self._shards())
        self.step += 1
        self.position += settings.batch_size * settings.gradient_accumulation
        means = accelerator.reduce(torch.stack(list(sums.values())) / settings.gradient_accumulation, "mean")
        losses = dict(zip(sums, means.tolist(), strict=True))
        return {"step": self.step, **losses, "lr": lr, "grad_norm": float(grad_norm)}

    @cached_property
    def batches(self) -> Iterator[Batch]:
        """This process's share of each batch, from the position that the training has reached."""
        size, accelerator = self.settings.batch_size, self.accelerator
        share = size // accelerator.num_processes
        positions = Positions(self.position + accelerator.process_index * share, size, share)
        batches = Batches(self.dataset, self.sequence, self.constants.empty_text, self.foreign)
        return batches.along(positions, accelerator.device)

    def _require_finite(self, values: Tensor, keys: Sequence[str]) -> None:
        finite = values.isfinite()
        # A gradient's norm is one number for the whole batch.
        per_sample = finite.tolist() if values.ndim else [bool(finite)] * len(keys)
        bad = self.processes.union([key for key, good in zip(keys, per_sample, strict=True) if not good])
        if bad:
            what = "loss" if values.ndim else "gradient"
            raise PvttError(
                f"{self.job.stage}: the {what} is not finite at step {self.step + 1}, for {', '.join(bad)}",
                f"look at these samples in {self.job.encoded}; if they are sound, lower {self.job.settings_key}.lr",
            )

    def _say(self, text: str) -> None:
        if self.accelerator.is_main_process:
            print(f"{self.job.stage}: {text}", file=sys.stderr)

    # -- held-out samples

    @contextmanager
    def _ema_weights(self) -> Iterator[None]:
        """The EMA weights in the model, in evaluation mode."""
        trained = [shard.detach().clone() for shard in self._shards()]
        self.ema.copy_to(self._shards())
        self.model.eval()
        try:
            yield
        finally:
            reshard(self.model)
            torch._foreach_copy_([shard.data for shard in self._shards()], trained)
            self.model.train()

    def _measure_held_out(self, log: TrainingLog) -> None:
        with self._ema_weights():
            rows = self.held_out.measure(self.transformer)
            self.held_out_rows += [{"step": self.step, **row} for row in rows]
            for row in rows:
                log.log(_logged_held_out(row), self.step)
            if self.params.validation_pictures and self.accelerator.num_processes == 1:
                self.held_out.draw_picture(
                    self.store.pictures / f"step-{self.step:06d}.png",
                    self.model,
                    load_vae(self.job.source).to(self.accelerator.device),
                    load_scheduler(self.job.source),
                    self.params.validation_pictures,
                )

    # -- state on disk

    def _save_checkpoint(self) -> None:
        self.saver.save(
            step=self.step,
            position=self.position,
            schedule=self.schedule.state_dict(),
            rng=rng_state(),
            history=list(self.history),
            held_out=list(self.held_out_rows),
            machine=machine(),
        )

    def _resume(self) -> None:
        with self.processes.together():
            if self.processes.is_main:
                self.store.sweep()
                changed = self.store.explain(self.key_parts)
                if changed is not None:
                    self._say(f"starts anew, since the checkpoints here are of another training; changed: {changed}")
        checkpoint = self.saver.load()
        if checkpoint is None:
            return
        self.schedule.load_state_dict(checkpoint.schedule)
        set_rng_state(checkpoint.rng)
        self.step, self.position = checkpoint.step, checkpoint.position
        self.history, self.held_out_rows = checkpoint.history, checkpoint.held_out
        self._say(f"continuing at step {self.step} of {self.settings.steps}")
        here = machine()
        for name, value in checkpoint.machine.items():
            if here.get(name) != value:
                self._say(f"note: {name} was {value}, is {here.get(name)}: the result may differ in its last bits")

    def _finish(self) -> TrainingMetrics:
        """Write `outs/<stage>` and remove the checkpoints."""
        self.ema.copy_to(self._shards())
        self.saver.wait()
        with ExitStack() as stack:
            out: Path | None = None
            with self.processes.together():
                if self.processes.is_main:
                    out = stack.enter_context(atomic_directory(self.job.workspace.out(self.job.stage)))
            model = None if out is None else out / "model"
            save_model(model, self.transformer, self.job, self.contracts, self.processes)
            with self.processes.together():
                if out is not None:
                    numbers = {"num_trainable": self.num_trainable, "num_parameters": self.num_parameters}
                    trainable = numbers | {"names": self.trainable_names}
                    write_records(out, self.history, self.held_out_rows, trainable, self.store.pictures)
        with self.processes.together():
            if self.processes.is_main:
                self.store.clear()
        return TrainingMetrics(
            steps=self.step,
            samples_seen=self.position,
            num_parameters=self.num_parameters,
            num_trainable=self.num_trainable,
            **summarise_history(self.history, self.held_out_rows),
        )


def _logged(row: dict[str, float]) -> dict[str, float]:
    """A row of the history as W&B shows it."""
    return {f"train/{name}": value for name, value in row.items() if name != "step"}


def _logged_held_out(row: dict[str, float]) -> dict[str, float]:
    return {f"validation/sigma_{row['sigma']:.2f}": row["loss"]}
