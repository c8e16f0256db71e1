"""Alembic migrations, up and down, for SQLite, MySQL/MariaDB and PostgreSQL."""
