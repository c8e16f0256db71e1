"""The configuration API: what people and tools define, and the history of what was done."""
