"""What infra/prefect ships for a host: systemd's own check of its units."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def test_systemd_takes_the_units(project_root: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    units = []
    for unit in (project_root / "infra" / "prefect" / "systemd").glob("*.service"):
        text = unit.read_text().replace("/srv/pvtt/.venv/bin/python", sys.executable).replace("/srv/pvtt", "/tmp")
        units.append(tmp_path / unit.name)
        units[-1].write_text(text.replace("User=pvtt", f"User={getpass.getuser()}"))
    assert len(units) == 2

    checked = subprocess.run(
        [analyze, "verify", "--man=no", *map(str, units)],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr
    assert "pvtt" not in checked.stderr, checked.stderr
