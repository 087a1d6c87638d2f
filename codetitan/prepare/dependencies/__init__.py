"""In which order the files of a repository are read: each behind those that it imports.

Imports are read by tree-sitter, a file a language, and resolved to files of the same repository that are in the corpus;
what can't be resolved is no dependency. May import what the room `prepare` may.
"""
