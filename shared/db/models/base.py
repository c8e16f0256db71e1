"""What all tables share: names of constraints, the tenant, versions and times."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from shared.db.types import UtcDateTime

BigId = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER PRIMARY KEY counts up on SQLite


class Base(DeclarativeBase):
    """Declarative base; constraint names are fixed so that migrations can drop them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


TABLE_OPTIONS = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_engine": "InnoDB",
    "sqlite_autoincrement": True,
}
"""Keys compare byte for byte on every database: 'A' and 'a' are two names, two idempotency keys. (Spaces at the end are
the exception: MySQL and MariaDB pass over them.) No id is ever given twice: history outlives definitions, and a new
report must not inherit a deleted one's."""


class TenantOwned:
    """A row that belongs to a tenant. Sessions of a tenant see and write only their own (shared.db.database)."""

    tenant_id: Mapped[int] = mapped_column(BigInteger, index=True)


class Versioned(TenantOwned):
    """A configuration row: `version` counts its changes and guards them (optimistic locking)."""

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}
