"""Look at results in Jupyter; decide nothing."""

from p2c_lib.widgets.mapping_explorer import MappingExplorer

__all__ = ["MappingExplorer"]
