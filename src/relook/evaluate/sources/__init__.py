"""What it is compared on: pairs of a structure and a style picture, drawn or read."""
