"""What can be wrong with a data set, and what mends it: one family of findings a file. Pure functions over rows."""
