"""TOML onto torchtitan's own Trainer.Config, strictly: `load` reads and merges, `schema` checks types and builds,
`rules`, `data` and `machine` check what depends on several keys, on the corpus and on the machine, `resolve` puts them
together, `render` prints the result as TOML."""
