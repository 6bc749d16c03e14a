"""What people see: figures, the page and the terminal's tables."""
