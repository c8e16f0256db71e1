"""`make bench`: everything, one after the other. Status 1 when a promise on memory or time is broken."""

from __future__ import annotations

import sys

from benchmarks import exports, latency, machine

if __name__ == "__main__":
    print(machine.describe() + "\n")
    kept = [exports.run(), latency.run()]
    sys.exit(0 if all(kept) else 1)
