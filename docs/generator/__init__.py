"""Makes the reference from the code: what a page says is what the program does."""
