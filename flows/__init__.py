"""Prefect only: what runs when, retries, approval, what a person sees. The work itself is in `pvtt` and `dvc.yaml`."""

import os

from flows.environment import defaults

# Prefect reads its settings, and reports its use, when it is imported: this has to come first.
for _name, _value in defaults().items():
    os.environ.setdefault(_name, _value)
