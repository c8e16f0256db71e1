"""Rules of datasources."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from config_api.datasources.schemas import DatasourceBody, DatasourceOut
from config_api.plugin_configs import checked_paths, plugin_of
from config_api.reports.removal import delete_report
from config_api.resource import Resource
from shared.db.models import Datasource, Report
from shared.stored_config import masked, seal


class Datasources(Resource[Datasource, DatasourceBody]):
    word = "datasource"
    row_type = Datasource
    body_type = DatasourceBody
    out_type = DatasourceOut
    sortable = ("id", "name", "type", "created_at", "updated_at")
    nested = ("connection_config",)

    def fill(self, session: Session, row: Datasource, body: DatasourceBody) -> None:
        plugin = plugin_of("connector", body.type, "type")
        is_same_type = row.type == plugin.kind
        row.connection_config, row.secrets = seal(
            plugin,
            body.connection_config,
            vault=self.context.vault,
            place=f"{row.tenant_id}/{Datasource.__tablename__}",
            kept_config=row.connection_config if is_same_type else None,
            kept_secrets=row.secrets if is_same_type else None,
            prefix="connection_config",
        )
        checked_paths(plugin, row.connection_config, self.context.settings, "connection_config")
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

    def delete_users(self, session: Session, row: Datasource) -> None:
        for report in session.scalars(select(Report).where(Report.datasource_id == row.id)):
            delete_report(session, report)
        session.flush()
