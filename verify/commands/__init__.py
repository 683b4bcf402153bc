"""What each command of `superposition` does: one module per command, with `run(arguments) -> Output`."""
