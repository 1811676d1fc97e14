"""What a computation is: types, graphs, primitives, tracing, interpreting, trees."""
