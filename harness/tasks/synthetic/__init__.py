"""A small labelled set of speech that the project makes itself, for machines without the real recordings."""
