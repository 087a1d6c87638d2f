"""From source files to batches: sources → order → tokens → packing → rows → batches, a file each."""
