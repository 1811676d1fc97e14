"""Graph to graph: backpropagation, forward derivatives, simplification."""
