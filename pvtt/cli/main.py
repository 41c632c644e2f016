"""The `pvtt` command: parse, call one function, print. Commands are imported when they are used."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from typing import Any, NoReturn

import click

from pvtt.cli.stage import stage_command
from pvtt.errors import PvttError, first_line
from pvtt.files.heap import keep_freed_memory
from pvtt.files.own_code import run_own_code
from pvtt.files.storage import storage_fault
from pvtt.files.threads import set_thread_policy
from pvtt.files.workspace import find_workspace
from pvtt.stages.all import STAGES, find_stage

# Name: (module, help). Each module has a click command named `command`.
OTHER_COMMANDS = {
    "ablate": ("pvtt.cli.ablate", "Train rows of changed params with several seeds, in one table."),
    "bench": ("pvtt.cli.bench", "Measure contenders on whole films with a true result."),
    "crawl": ("pvtt.cli.crawl", "Fetch products from a shop, a feed or a folder into data/."),
    "data": ("pvtt.cli.data", "Look through data/, take out products and files for good, compare versions."),
    "doctor": ("pvtt.cli.doctor", "Is this machine, and the cluster, ready for a run?"),
    "export": ("pvtt.cli.export", "Write the dataset in the experiment document's folder layout."),
    "figure": ("pvtt.cli.figure", "Draw template, mask, photos and output side by side."),
    "generate": ("pvtt.cli.generate", "Make a new ad from a template film and photos of another product."),
    "import": ("pvtt.cli.import_layout", "Take over an exported dataset, or a public one."),
    "jobs": ("pvtt.cli.jobs", "The Slurm jobs of this checkout: what waits and why, logs, cancel, retry."),
    "model": ("pvtt.cli.model", "What the model is made of, and what its parts cost."),
    "plan": ("pvtt.cli.plan", "What a run takes: memory, disk, hours, and whether it fits."),
    "params": ("pvtt.cli.params", "Check params.yaml, or switch it to another profile."),
    "rate": ("pvtt.cli.rate", "Rate generated videos 1-5, or compare two at a time, on a local page."),
    "shop": ("pvtt.cli.shop", "Build or serve the sample shop."),
    "studio": ("pvtt.cli.studio", "Try out new ads on a local page: drop a film and photos, look, render, compare."),
    "train": ("pvtt.cli.train", "What is tried before a training: can the model learn a few samples by heart?"),
    "weights": ("pvtt.cli.weights", "List, fetch and check published networks that profiles name."),
    "wan-tiny": ("pvtt.cli.wan_tiny", "Train the small base model that the project ships."),
}
STAGES_WITH_OPTIONS = {"decide": "pvtt.cli.decide", "report": "pvtt.cli.report"}  # by the same rule
INTERRUPTED = 130  # as a shell reports it


class LazyGroup(click.Group):
    """Knows its commands by name and imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*(stage.name for stage in STAGES), *OTHER_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        stage = find_stage(cmd_name)
        if stage is not None and cmd_name not in STAGES_WITH_OPTIONS:
            return stage_command(stage)
        module = STAGES_WITH_OPTIONS.get(cmd_name) or OTHER_COMMANDS.get(cmd_name, ("", ""))[0]
        if not module:
            return None
        loaded: click.Command = importlib.import_module(module).command
        return loaded

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Stages, in order (each is a stage of dvc.yaml; `dvc repro` runs what is stale)"):
            formatter.write_dl([(stage.name, f"{stage.help}.") for stage in STAGES])
        with formatter.section("Other commands"):
            formatter.write_dl([(name, text) for name, (_, text) in OTHER_COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, envvar="PVTT_DEBUG", help="Show the traceback of an error.")
@click.version_option(package_name="pvtt")
@click.pass_context
def command(ctx: click.Context, debug: bool) -> None:
    """PVTT: give a product video's camera, cuts, style and sound to another product.

    Stages read params.yaml and run where PVTT_DISPATCH says: `local` (one worker a core, the default), `local:N`,
    `inline` (this process), or the path of a Slurm profile such as infra/slurm/h800.yaml.
    """
    ctx.obj = {"debug": debug}
    if debug:
        os.environ["PVTT_DEBUG"] = "1"


def main(arguments: list[str] | None = None) -> Any:
    """Entry point. Exit codes: 0 done, 1 error, 2 wrong usage or params, 3-10 as in `pvtt.errors`, 130 interrupted.

    Args:
        arguments: Of the command; None takes those of this process, which then runs the workspace's own code.
    """
    try:
        if arguments is None:
            run_own_code()
        set_thread_policy()
        keep_freed_memory()
        return command.main(arguments, prog_name="pvtt", standalone_mode=False)
    except PvttError as error:
        _end_with(error)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        _leave_failure(error.exit_code, error.format_message())
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        message = "interrupted; finished items are kept, run the same command again to continue"
        print(f"pvtt: {message}", file=sys.stderr)
        _leave_failure(INTERRUPTED, message)
        sys.exit(INTERRUPTED)
    except Exception as error:
        fault = storage_fault(error, find_workspace().root, reading=True)
        if fault is None:  # one of the program: its traceback is for the log, its first line for the flow
            _leave_failure(PvttError.exit_code, f"{type(error).__name__}: {first_line(error)}")
            raise
        _end_with(fault)


def _end_with(error: PvttError) -> NoReturn:
    """Say what was wrong and what to do, and leave."""
    if os.environ.get("PVTT_DEBUG"):
        traceback.print_exc()
    print(f"pvtt: {error.message}", file=sys.stderr)
    hint = _with_weights(error)
    if hint:
        print(f"  next: {hint}", file=sys.stderr)
    _leave_failure(error.exit_code, error.message, hint)
    sys.exit(error.exit_code)


def _with_weights(error: PvttError) -> str | None:
    """What to do; where what is missing is a published network, also the command that fetches it."""
    from pvtt.errors import MissingInputError

    if not isinstance(error, MissingInputError) or "pvtt weights" in f"{error.message} {error.hint}":
        return error.hint
    from pvtt.weights.networks import NETWORKS

    named = [network.name for network in NETWORKS if re.search(rf"{re.escape(network.place)}(?![\w.-])", error.message)]
    command = f"`pvtt weights fetch {' '.join(named)}`"
    return error.hint if not named else f"{command}; or {error.hint}" if error.hint else command


def _leave_failure(exit_code: int, message: str, hint: str | None = None) -> None:
    """Tell the flow that started this command, if one did."""
    from pvtt.records.process import Failure, leave_failure

    leave_failure(Failure(exit_code=exit_code, message=message, hint=hint))


if __name__ == "__main__":
    main()
