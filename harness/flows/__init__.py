"""The stories that walk through several halls; only these modules and the command line may import several."""
