"""What the commands of `pvtt data` share: the workspace, its products, and tables on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvtt.dataset.inventory import ProductState
    from pvtt.files.workspace import Workspace

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
NUM_ON_A_SHEET = 12


def workspace_here() -> Workspace:
    """The project that the command is called in."""
    from pvtt.files.workspace import find_workspace

    return find_workspace()


def find_states(workspace: Workspace, product_ids: Sequence[str]) -> list[ProductState]:
    """These products, or all of them. Raises `MissingInputError`."""
    from pvtt.crawl.forget import find_product
    from pvtt.dataset.inventory import read_states
    from pvtt.records.catalog import read_products

    states = read_states(workspace)
    if not states:
        read_products(workspace.data)  # says what to do
    catalog = {product_id: state.product for product_id, state in states.items()}
    wanted = [find_product(product_id, catalog).product_id for product_id in product_ids] or list(states)
    return [states[product_id] for product_id in wanted]


def show_table(lines: Sequence[dict[str, str | int]], numbers: Sequence[str]) -> None:
    """Print a table as wide as the terminal; piped, as wide as it needs."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not lines:
        click.echo("nothing")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in lines[0]:
        table.add_column(name, justify="right" if name in numbers else "left", no_wrap=True)
    for line in lines:
        table.add_row(*(Text(str(value)) for value in line.values()))
    console = Console()
    if not console.is_terminal:
        console = Console(width=table.__rich_measure__(console, console.options.update(max_width=10_000)).maximum)
    console.print(table)
