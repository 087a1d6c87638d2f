"""TOML onto torchtitan's own Trainer.Config, strictly: `load` reads and merges, `schema` checks types and builds,
`rules` checks what depends on several keys, `resolve` puts them together, `render` prints the result as TOML."""
