"""The command line: one file per verb, each importing its tower inside the verb."""
