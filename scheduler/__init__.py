"""The scheduler: turns schedules into executions at the right moment. It decides when; the engine does."""
