"""What is seen, matched and measured before anything is restyled, against exact truth."""
