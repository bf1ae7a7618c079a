"""Review: people look over the readings of a folder job, doubtful ones first, and correct them."""
