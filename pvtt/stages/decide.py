"""decide: metrics/evaluate.json, the loss histories, and the run's ratings → metrics/decision.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvtt.stages.stage import Stage

if TYPE_CHECKING:
    from pvtt.files.workspace import Workspace
    from pvtt.items.dispatcher import Dispatcher
    from pvtt.params.file import Params
    from pvtt.records.decision import Measurements

STAGE = Stage(
    name="decide",
    help="Apply the decision matrix to the measurements",
    reads=(
        "metrics/evaluate.json",
        "outs/evaluate/evaluated.jsonl",
        "outs/evaluate/run.json",
        "outs/train_stage1/loss.csv",
        "outs/train_stage1/validation.csv",
        "outs/train_stage2/loss.csv",
        "outs/train_stage2/validation.csv",
        "ratings",
    ),
    params=("decide", "encode", "evaluate", "model", "profile", "seed", "train"),  # next steps start from the run's own
    metrics=("metrics/decision.json",),
)
TRAINING_STAGES = ("train_stage1", "train_stage2")


def run(workspace: Workspace, params: Params, dispatcher: Dispatcher) -> None:
    """Apply the decision matrix, write the decision, and print it.

    Raises:
        MissingInputError: Training or evaluation has not run.
        PvttError: A file is not in its format, or the metrics are of another run than the videos.
    """
    import click

    from pvtt.decision.decide import decide
    from pvtt.decision.text import format_decision
    from pvtt.files.atomic import atomic_write_text

    run_id, measurements = read_measurements(workspace, params)
    decision = decide(measurements, params, run_id)
    atomic_write_text(workspace.metrics / "decision.json", decision.to_json(indent=2) + "\n")
    click.echo(format_decision(decision))


def read_measurements(workspace: Workspace, params: Params) -> tuple[str, Measurements]:
    """The id of the evaluated run, and all that its decision looks at. Raises as `run`."""
    from pvtt.decision.convergence import judge_convergence, judge_validation
    from pvtt.errors import PvttError
    from pvtt.evaluation.comparison import defeats, in_words
    from pvtt.ratings.store import RatingStore
    from pvtt.ratings.summary import summarise_ratings
    from pvtt.records.decision import Measurements
    from pvtt.records.evaluation import read_evaluated, read_metrics, read_run
    from pvtt.records.training import LOSS_FILE, read_columns

    run_id = read_run(workspace.out("evaluate") / "run.json").run_id
    metrics = read_metrics(workspace.metrics / "evaluate.json")
    if metrics.run_id != run_id:
        raise PvttError(
            f"metrics/evaluate.json is of run {metrics.run_id}, outs/evaluate of run {run_id}",
            "run `dvc repro evaluate`, which makes both",
        )
    samples = read_evaluated(workspace.out("evaluate"))
    ratings = RatingStore(workspace.ratings / f"{run_id}.jsonl").latest().values()
    histories = [
        [loss for (loss,) in read_columns(workspace.out(stage) / LOSS_FILE, stage, ("loss",))]
        for stage in TRAINING_STAGES
    ]
    return run_id, Measurements(
        loss=judge_convergence(histories, params.decide.loss_window, continued=params.train.start == "champion"),
        validation=judge_validation(_validation(workspace, params)),
        train_psnr=metrics.get("train", "psnr"),
        train_clip_i=metrics.get("train", "clip_i"),
        test_rating=summarise_ratings(
            ratings, samples, params.decide.min_raters, params.evaluate.min_products, params.seed
        ),
        test_flow_warp_error=metrics.get("test", "relative_flow_warp_error"),
        test_swap_gain=metrics.get("test", "swap_gain"),
        transfer_paste_gain=metrics.get("transfer", "paste_gain"),
        transfer_untrained_gain=metrics.get("transfer", "untrained_gain"),
        beaten_by=in_words(defeats(metrics)),
    )


def _validation(workspace: Workspace, params: Params) -> list[tuple[int, float]]:
    """The validation loss, a mean over noise levels, by steps counted over both stages; stage 2 starts anew."""
    from pvtt.records.training import VALIDATION_FILE, read_columns

    points: list[tuple[int, float]] = []
    before = 0
    for stage in TRAINING_STAGES:
        of_step: dict[int, list[float]] = {}
        for step, loss in read_columns(workspace.out(stage) / VALIDATION_FILE, stage, ("step", "loss")):
            of_step.setdefault(int(step) + before, []).append(loss)
        points = [point for point in points if point[0] not in of_step]
        points += [(step, sum(losses) / len(losses)) for step, losses in of_step.items()]
        before += getattr(params.train, stage.removeprefix("train_")).steps
    return points
