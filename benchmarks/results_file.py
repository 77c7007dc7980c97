"""Where results go."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def write(kind: str, found: dict[str, object], path: Path | None = None) -> Path:
    """Writes results as JSON, by default to a new file in `results` named after the kind and the time.  Returns the path."""
    now = datetime.now(UTC)
    if path is None:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{kind}-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps({"benchmark": kind, "time": f"{now:%Y-%m-%d %H:%M}", **found}, indent=1) + "\n")
    return path
