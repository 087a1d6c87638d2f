"""Where documents come from, read at random: folders (files, listing), JSON Lines, Parquet and hub (arrow), streams.

`open` is the way in. Imports `document`, `language` and libraries; nothing of tokens or torch.
"""
