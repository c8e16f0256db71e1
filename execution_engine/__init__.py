"""The execution engine: a report becomes artifacts, and artifacts become deliveries."""
