"""Messages to a webhook: a run failed, a verdict, an approval is waited for.

`PVTT_WEBHOOK_URL` names it. A message is JSON whose `text` chat services show; the other fields are for programs. The
address is a secret, as those of chat services are: it is never shown. A receiver that fails costs its message alone.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run

from flows.board import announce
from flows.cancel import RunCancelledError, is_cancelled
from flows.lifetime import original_signal
from pvtt.errors import PvttError, first_line
from pvtt.files.workspace import find_workspace

VARIABLE = "PVTT_WEBHOOK_URL"
ANSWERS_WITHIN_S = 10.0
CONTINUE = "run the same command again: it continues"
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")  # in an address

Event = Literal["failure", "verdict", "approval"]


def without_credentials(text: str) -> str:
    """The text without names and passwords in addresses."""
    return CREDENTIALS.sub("…@", text)


def notify(event: Event, text: str, **facts: str | None) -> None:
    """Send a message, if a webhook is named. Never raises: what goes wrong is said, without the address.

    Args:
        event: What happened.
        text: It in words.
        facts: Further fields.
    """
    url = os.environ.get(VARIABLE)
    if not url:
        return
    root = find_workspace().root
    page = flow_run.ui_url if flow_run.id and "PREFECT_API_URL" in os.environ else None
    message = {
        "text": f"{root.name} on {socket.gethostname()}: {text}" + (f"\n{page}" if page else ""),
        "event": event,
        "project": str(root),
        "host": socket.gethostname(),
        "flow": flow_run.flow_name,
        "flow_run": flow_run.id,
        "page": page,
        **facts,
    }
    shown = {name: without_credentials(value) if value else value for name, value in message.items()}
    fault = _post(url, json.dumps(shown, ensure_ascii=False))
    if fault:
        announce(f"the webhook of {VARIABLE} did not take the message about this run's {event}: {fault}")


def _post(url: str, body: str) -> str | None:
    """Post JSON; returns what went wrong, in words without the address."""
    try:
        request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"}, method="POST")
        if request.type not in ("http", "https"):
            return "it is no http:// or https:// address"
        with urllib.request.urlopen(request, timeout=ANSWERS_WITHIN_S):
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except (urllib.error.URLError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        return f"it cannot be reached ({type(reason).__name__})"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"it is no address of a webhook, or none that answers HTTP ({type(error).__name__})"


@contextmanager
def telling_of_failure() -> Iterator[None]:
    """Send a message where the block fails or is stopped, other than by a person at the terminal or on its page."""
    try:
        yield
    except RunCancelledError:
        raise
    except TerminationSignal as stop:  # also how a worker cancels
        if flow_run.id is None or not is_cancelled(flow_run.id):
            _tell_of_failure(f"stopped by {signal.Signals(original_signal(stop.signal)).name}", CONTINUE)
        raise
    except Exception as error:
        _tell_of_failure(first_line(error), error.hint if isinstance(error, PvttError) else None)
        raise


def _tell_of_failure(said: str, hint: str | None) -> None:
    name = flow_run.flow_name or "a flow"
    notify("failure", f"{name} failed: {said}" + (f"\nnext: {hint}" if hint else ""), error=said, hint=hint)
