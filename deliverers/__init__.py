"""One kind per file; the file name is the kind. Contract: shared.plugins."""
