"""Training: a generator of steps, and ``fit``, which consumes it and keeps what was learned."""
