"""What the whole command is tried on: what is planted, and into what."""
