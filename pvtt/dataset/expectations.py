"""Runs suites over tables with Great Expectations, without a project of its own on disk, and writes its Data Docs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvtt.dataset.data_docs import finish
from pvtt.dataset.suites import build_suites
from pvtt.errors import ValidationFailedError
from pvtt.params.file import Params
from pvtt.records.expectations import ExpectationResult

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

    from pvtt.dataset.tables import Tables

MAX_VALUE_LENGTH = 16
NUM_NAMED = 5  # rows named in an error message; `expectations.jsonl` names them all


def validate_tables(tables: Tables, params: Params, data_docs: Path, when: datetime) -> list[ExpectationResult]:
    """Hold every table to its suite, in the order of the suites.

    Args:
        tables: As `pvtt.dataset.tables.build_tables` makes them.
        params: What the suites' ranges come from.
        data_docs: Where the HTML goes; `index.html` is its start. Equal tables give equal bytes; no page asks a host.
        when: The time that the HTML shows: that of the data, since equal data give equal pages.
    """
    context = _context(data_docs)
    import great_expectations as gx

    source = context.data_sources.add_pandas("pvtt")
    results: list[ExpectationResult] = []
    for table, expectations in build_suites(params).items():
        order = [expectation.description for expectation in expectations]
        frame = tables[table]
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all")
        suite = context.suites.add(gx.ExpectationSuite(name=table, expectations=expectations))
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batch, suite=suite))
        checkpoint = gx.Checkpoint(
            name=table,
            validation_definitions=[definition],
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["name"]},
        )
        run = context.checkpoints.add(checkpoint).run(
            batch_parameters={"dataframe": frame}, run_id=gx.RunIdentifier(run_name="validate", run_time=when)
        )
        (of_table,) = run.run_results.values()
        found = [_record(table, len(frame), one.to_json_dict()) for one in of_table.results]
        results += sorted(found, key=lambda result: order.index(result.expectation))  # it sorts them by column
    with _logged_errors_raised():
        context.build_data_docs()
    finish(data_docs, results, when)
    return results


def raise_critical(results: Sequence[ExpectationResult], where: Path) -> None:
    """Raise `ValidationFailedError`, naming expectations and rows, if a critical one failed."""
    failed = [result for result in results if result.severity == "critical" and not result.passed]
    if not failed:
        return
    raise ValidationFailedError(
        f"validate: {len(failed)} critical of {len(results)} expectations failed: {'; '.join(map(describe, failed))}",
        f"open {where / 'index.html'}, mend or remove these rows' sources, and run again",
    )


def describe(result: ExpectationResult) -> str:
    """A failed expectation in one line: table, expectation, failed rows."""
    named = ", ".join(result.failed_rows[:NUM_NAMED])
    more = f" and {result.num_failed - NUM_NAMED} more" if result.num_failed > NUM_NAMED else ""
    return f"{result.table}: {result.expectation}: {named or 'no row'}{more}"


class _Collector(logging.Handler):
    """Keeps the messages of errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _logged_errors_raised() -> Iterator[None]:
    """Great Expectations logs what goes wrong with a page and goes on without it: raise it."""
    collector = _Collector()
    logger = logging.getLogger("great_expectations")
    logger.addHandler(collector)
    try:
        yield
    finally:
        logger.removeHandler(collector)
    if collector.messages:
        raise RuntimeError(f"the data docs cannot be written: {collector.messages[0]}")


def _context(data_docs: Path) -> EphemeralDataContext:
    """A context in memory, which sends nothing anywhere, with one site for its HTML."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when it is imported
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(data_docs.resolve())},
    }
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={"data_docs": site},
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _record(table: str, num_rows: int, result: dict[str, Any]) -> ExpectationResult:
    """One of Great Expectations' results, as our record."""
    configuration, details, fault = result["expectation_config"], result["result"], result["exception_info"]
    faults = [fault, *(one for one in fault.values() if isinstance(one, dict))]
    if any(one.get("raised_exception") for one in faults):
        raise RuntimeError(f"{table}: {configuration['description']}: {fault}")
    rows = details.get("unexpected_index_list") or []
    return ExpectationResult(
        table=table,
        expectation=configuration["description"],
        severity=configuration["severity"],
        passed=result["success"],
        num_rows=num_rows,
        num_failed=details.get("unexpected_count", 0),
        failed_rows=tuple(_name(row) for row in rows),
    )


def _name(row: dict[str, Any]) -> str:
    values = ", ".join(f"{column}={_short(value)}" for column, value in row.items() if column != "name")
    return f"{row['name']} ({values})" if values else str(row["name"])


def _short(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}…"
