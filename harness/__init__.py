"""How fast, how big and how accurate is this model on that board, and how does it become smaller?"""

__version__ = "0.1.0"
