"""What every service and plug-in may use: contracts, errors, settings, tables. It imports none of them."""

__version__ = "0.1.0"
