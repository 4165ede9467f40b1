"""Scripts that measure this project against its peers and print ratios."""
