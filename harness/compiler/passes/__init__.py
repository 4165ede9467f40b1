"""Graph to graph, each pass one idea; folding the zero point into the bias happens where the bias is made (weights.py)."""
