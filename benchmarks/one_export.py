"""One export in its own process: `python -m benchmarks.one_export ORDER.json` prints seconds, rows and peak MiB."""

from __future__ import annotations

import ipaddress
import json
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from execution_engine.orders import ExecutionOrder, FormatOrder, Limits, SourceOrder
from execution_engine.pipeline import run_execution
from shared.network import NetworkPolicy
from shared.plugins import Control, ReportInfo, load


def main(order: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)
    source = load("connector", order["kind"])
    network = NetworkPolicy((ipaddress.ip_network("127.0.0.0/8"),))
    formats = tuple(FormatOrder(name, load("converter", name).config_model()) for name in order["formats"])
    started = time.perf_counter()
    result = run_execution(
        ExecutionOrder(
            source=SourceOrder(order["kind"], source.config_model(**order["config"])),
            query=order["query"],
            params={},
            formats=formats,
            info=ReportInfo(name="benchmark", scheduled_for=now, generated_at=now),
            workspace=Path(order["folder"]),
            row_limit=None,
            on_cap="fail",
            limits=Limits(3600, 4096),
            network=network,
        ),
        Control(network=network),
    )
    return {
        "seconds": time.perf_counter() - started,
        "rows": result.row_count,
        "bytes": sum(file.size for file in result.files),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
