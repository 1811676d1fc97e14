"""Writing: the numbers of a pass as tables, formulas and worksheets."""
