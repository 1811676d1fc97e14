"""Data: the digits that come along, tables, splits, and what turns tables into arrays and back."""

from typing import TYPE_CHECKING

from .._on_demand import on_demand

if TYPE_CHECKING:
    from .csv_file import read_csv
    from .digit_images import digits
    from .preprocessing import Standardizer, TableMapping
    from .splitting import split
    from .table import Table
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "csv_file": "read_csv",
            "digit_images": "digits",
            "preprocessing": "Standardizer TableMapping",
            "splitting": "split",
            "table": "Table",
        },
    )

__all__ = ["Standardizer", "Table", "TableMapping", "digits", "read_csv", "split"]
