"""Languages that rules leave out together: what is prose, what is data, and where lines are long by nature.

Source: OpenCoder's artifacts/program_to_type.py (text, data), StarCoder2 §2.1 (long lines). Of StarCoder2's names for
long lines, Roff and SMT are no languages of ours: their files are "other" or "text".
"""

TEXT = ("text", "markdown", "restructuredtext", "tex")
DATA = ("json", "yaml", "toml", "xml", "css", "protobuf", "graphql")
LONG_LINES = ("html", "json", "markdown", "tex", "text", "xml")
