"""Where the public data sets are, when they are: ../shared/data beside the project, or as told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("CARBONVAULT_DATA") or ROOT.parent / "shared" / "data")
TRIPS = FOLDER / "bikeshare_bayarea_2014-09-08_week.csv"
STATIONS = FOLDER / "bikeshare_bayarea_stations.csv"

real_week = pytest.mark.skipif(
    not (TRIPS.exists() and STATIONS.exists()),
    reason="data: the bike-share week is not in ../shared/data or CARBONVAULT_DATA",
)
