"""Alembic's environment: runs on the connection that shared.db.migrate hands over."""

from __future__ import annotations

from alembic import context

from shared.db.models import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    user_module_prefix="shared.db.types.",
)
with context.begin_transaction():
    context.run_migrations()
# SQLite and PostgreSQL migrate in a transaction; the connection was opened by us, so we commit it.
connection.commit()
