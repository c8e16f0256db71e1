"""Speed and memory, measured: `make bench`. Ratios against named peers in the same run, never absolute promises."""
