"""Reading on a Ray cluster: the folder job's table, made by many machines; `read --cluster`."""
