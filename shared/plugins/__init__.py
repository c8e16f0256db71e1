"""The contract between Report Hub and its plug-ins. Everything a plug-in author needs is importable from here."""

from shared.plugins.base import ConfigT, NoConfig, Plugin, PluginConfig, ServerPath
from shared.plugins.connector import Column, Connector, ParameterValue, Query, SourceCapabilities, SourceType, Table
from shared.plugins.control import Control
from shared.plugins.converter import Converter, ReportInfo
from shared.plugins.deliverer import Address, ArtifactFile, Deliverer, Parcel, Receipt
from shared.plugins.registry import Family, format_names, load, plugins, require_drivers

__all__ = [
    "Address",
    "ArtifactFile",
    "Column",
    "ConfigT",
    "Connector",
    "Control",
    "Converter",
    "Deliverer",
    "Family",
    "NoConfig",
    "ParameterValue",
    "Parcel",
    "Plugin",
    "PluginConfig",
    "Query",
    "Receipt",
    "ReportInfo",
    "ServerPath",
    "SourceCapabilities",
    "SourceType",
    "Table",
    "format_names",
    "load",
    "plugins",
    "require_drivers",
]
