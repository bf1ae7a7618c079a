"""What a model is worth: measures over whole splits, plots of them, and a report to read.

This room works on probabilities and labels, so it serves any model, whatever engine ran it.
"""
