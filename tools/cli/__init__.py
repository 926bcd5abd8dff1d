"""The `moat` command. Each module adds its subcommands: `register(commands)`."""
