"""Rules of datasources."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from config_api.datasources.schemas import DatasourceBody, DatasourceOut
from config_api.plugin_configs import config_policy, plugin_of
from config_api.removal import Removal
from config_api.resource import Resource
from shared.db.models import Datasource, Report
from shared.stored_config import Kept, masked, seal


class Datasources(Resource[Datasource, DatasourceBody, DatasourceOut]):
    word, plural = "datasource", "datasources"
    row_type = Datasource
    body_type = DatasourceBody
    out_type = DatasourceOut
    sortable = ("id", "name", "type", "created_at", "updated_at")
    nested = ("connection_config",)

    def fill(self, session: Session, row: Datasource, body: DatasourceBody) -> None:
        plugin = plugin_of("connector", body.type, "type")
        row.connection_config, row.secrets = seal(
            plugin,
            body.connection_config,
            Kept(row.type or "", row.connection_config or {}, row.secrets or {}),
            vault=self.context.vault,
            place=f"{row.tenant_id}/{Datasource.__tablename__}",
            policy=config_policy(self.context.settings),
            prefix="connection_config",
        )
        row.name, row.type = body.name, plugin.kind
        row.description, row.is_active = body.description, body.is_active

    def show(self, row: Datasource) -> DatasourceOut:
        return DatasourceOut(
            id=row.id,
            tenant_id=row.tenant_id,
            version=row.version,
            name=row.name,
            type=row.type,
            connection_config=masked(row.connection_config, row.secrets),
            description=row.description,
            is_active=row.is_active,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )

    def users(self, session: Session, row: Datasource) -> list[str]:
        names = session.scalars(select(Report.name).where(Report.datasource_id == row.id).order_by(Report.id))
        return [f"the report {name}" for name in names]

    def delete_users(self, row: Datasource, removal: Removal) -> None:
        removal.reports_of(row)
