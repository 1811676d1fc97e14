"""The command line: ``clearprop train``, ``predict``, ``explain``, ``worksheet``, ``check`` and ``cache``."""
