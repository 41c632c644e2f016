"""Prefect only: what runs when, retries, approval, what a person sees. The work itself is in `pvtt` and `dvc.yaml`."""

from flows.environment import prepare

prepare()  # Prefect reads its settings, and reports its use, when it is imported: this has to come first
