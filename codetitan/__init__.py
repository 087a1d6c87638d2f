"""codetitan: train code language models from one TOML file, on any mesh.

This module imports nothing: `import codetitan` is cheap, and torch or torchtitan are loaded by what needs them.
"""

__version__ = "0.1.0"
