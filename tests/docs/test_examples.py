"""Examples are right: bodies fit the models of their routes, queries pass the guard, code and data can be read."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from config_api.datasources.schemas import DatasourceBody
from config_api.dead_letters.endpoints import ReplayBody
from config_api.deliveries.schemas import DeliveryBody
from config_api.keys.service import KeyBody
from config_api.recipients.schemas import RecipientBody
from config_api.reports.checks import check_file_name, check_query, checked_formats, checked_options, checked_parameters
from config_api.reports.schemas import ReportBody
from config_api.schedules.schemas import ScheduleBody, SchedulePreviewBody
from shared.cron import check_timezone, parse
from shared.executions import ExecuteBody
from shared.plugins import load
from tests.docs.pages import Block, all_blocks

_BODIES = [block for block in all_blocks("json") if block.title]
_MODELS: dict[str, type[BaseModel]] = {
    "POST /api/datasources": DatasourceBody,
    "POST /api/reports": ReportBody,
    "POST /api/deliveries": DeliveryBody,
    "POST /api/recipients": RecipientBody,
    "POST /api/schedules": ScheduleBody,
    "POST /api/schedules/preview": SchedulePreviewBody,
    "POST /api/reports/{id}/execute": ExecuteBody,
    "POST /api/dead-letters/replay": ReplayBody,
    "POST /api/keys": KeyBody,
}


def _check_datasource(body: Any) -> None:
    load("connector", body.type).config_model.model_validate_json(json.dumps(body.connection_config), strict=True)


def _check_delivery(body: Any) -> None:
    load("deliverer", body.method).config_model.model_validate_json(json.dumps(body.delivery_config), strict=True)


def _check_report(body: Any) -> None:
    names = [spec.name for spec in checked_parameters(body.parameters)]
    for kind in ("postgresql", "mysql", "sqlite", "duckdb"):
        check_query(body.query, body.query_spec, kind, names)
    checked_formats(body.formats)
    checked_options(body.format_options)
    check_file_name(body.file_name_template, names)


def _check_schedule(body: Any) -> None:
    parse(body.cron_expression)
    check_timezone(body.timezone)


_DEEPER: dict[type[BaseModel], Callable[[Any], None]] = {
    DatasourceBody: _check_datasource,
    DeliveryBody: _check_delivery,
    ReportBody: _check_report,
    ScheduleBody: _check_schedule,
    SchedulePreviewBody: _check_schedule,
}


@pytest.mark.parametrize("block", _BODIES, ids=str)
def test_bodies_in_the_documentation_are_accepted(block: Block) -> None:
    model = _MODELS[block.title]
    body = model.model_validate_json(block.text)
    _DEEPER.get(model, lambda _: None)(body)


def test_every_method_of_delivery_has_an_example() -> None:
    from shared.plugins import plugins

    shown = {json.loads(block.text)["method"] for block in _BODIES if block.title == "POST /api/deliveries"}
    assert shown == plugins("deliverer").keys()


def test_every_connector_has_an_example() -> None:
    from shared.plugins import plugins

    shown = {json.loads(block.text)["type"] for block in _BODIES if block.title == "POST /api/datasources"}
    assert shown == plugins("connector").keys()


@pytest.mark.parametrize("block", [block for block in all_blocks("json") if not block.title], ids=str)
def test_json_can_be_read(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", all_blocks("python"), ids=str)
def test_python_can_be_parsed(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("block", all_blocks("toml"), ids=str)
def test_toml_can_be_read(block: Block) -> None:
    tomllib.loads(block.text)


def test_expressions_in_the_table_of_schedules_are_accepted() -> None:
    import re

    from tests.docs.pages import ROOT

    table = (ROOT / "docs/how-to/schedules.md").read_text().split("## Expressions")[1].split("\n## ")[0]
    expressions = [text for text in re.findall(r"`([^`]+)`", table) if len(text.split()) == 5 or text.startswith("@")]
    assert len(expressions) > 10
    for expression in expressions:
        if "31 2" not in expression:
            parse(expression)
