"""What `codetitan plan` prints: `text` of one configuration, `drawing` of its mesh, `ranking` of a search."""
