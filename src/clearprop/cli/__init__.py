"""The command line: ``clearprop train``, ``clearprop predict`` and ``clearprop check``."""
