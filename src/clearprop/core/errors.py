"""The exceptions that clearprop raises.

    ClearpropError
    ├── TraceError (TypeError)        the Python code asks for what a traced value cannot give
    ├── DTypeError (TypeError)        a dtype that cannot be differentiated or computed with
    ├── ShapeError (ValueError)       shapes that do not fit together
    ├── SettingError (ValueError)      a setting outside its domain: a negative rate, an unknown name
    ├── StructureError (ValueError)   nested structures that differ where they must match
    ├── GraphError (ValueError)       a graph that is not well formed
    ├── GradientError (AssertionError) a derivative that disagrees with finite differences
    ├── DataError (ValueError)        data that cannot be trained or predicted on
    ├── FileError (ValueError)        a file that cannot be read as what it should be
    └── MissingError (ImportError)    an optional package that is not installed

Each also is the built-in exception that NumPy or Python would raise, so code that catches
``TypeError`` or ``ValueError`` goes on working. A message says what was asked, with types; what is
needed; where; and what to try.
"""


class ClearpropError(Exception):
    """Whatever clearprop raises on purpose."""


class TraceError(ClearpropError, TypeError):
    """Python code asks for the number behind a traced value, or changes it in place."""


class DTypeError(ClearpropError, TypeError):
    """A dtype that cannot be differentiated or computed with."""


class ShapeError(ClearpropError, ValueError):
    """Shapes that do not fit together."""


class SettingError(ClearpropError, ValueError):
    """A setting outside its domain."""


class StructureError(ClearpropError, ValueError):
    """Two nested structures differ where they must match."""


class GraphError(ClearpropError, ValueError):
    """A graph that is not well formed: the fault of whoever made it."""


class GradientError(ClearpropError, AssertionError):
    """A derivative that disagrees with finite differences."""


class DataError(ClearpropError, ValueError):
    """Data that cannot be trained or predicted on."""


class FileError(ClearpropError, ValueError):
    """A file that cannot be read as what it should be."""


class MissingError(ClearpropError, ImportError):
    """An optional package that is not installed."""
