"""Data: the digits that come along, tables, splits, and what turns tables into arrays and back."""

from .csv_file import read_csv
from .digits import digits
from .preprocessing import Standardizer, TableMapping
from .split import split
from .table import Table

__all__ = ["Standardizer", "Table", "TableMapping", "digits", "read_csv", "split"]
