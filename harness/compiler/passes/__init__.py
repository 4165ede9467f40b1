"""Graph to graph, each pass one idea; the zero point is folded where the bias is made, in kernels/weights.py."""
