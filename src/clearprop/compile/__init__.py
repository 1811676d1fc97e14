"""Graph to machine code: schedule, tiles, LLVM text, and what runs it."""
