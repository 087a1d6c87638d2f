"""Model families, each in the shape of torchtitan's own."""
