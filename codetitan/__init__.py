"""codetitan: train code language models from one TOML file, on any mesh.

This module imports no library: `import codetitan` is cheap, and torch or torchtitan are loaded by what needs them.
Before they are, each gets a place for its caches, where this user has none.
"""

from codetitan.places import settle

__version__ = "0.1.0"

settle()
