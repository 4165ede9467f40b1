"""How training material is varied: one file a task, and what they share."""
