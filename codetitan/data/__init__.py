"""From source files to batches: sources → mixture, order → metadata, FIM, tokens (pieces) → packing → rows → loader."""
