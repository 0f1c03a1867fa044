"""`parley report`: a scored dump for a newsroom, as one HTML page or as tables in the terminal.

rows      scored output (JSON lines, CSV, Parquet) read back, a row at a time
lines     the thresholds that are shown, and those used for counting
counts    counts of comments: all, by group, over time
tally     one pass over the rows, in memory that doesn't grow with them
figures   the plots
page      the page around them
terminal  the same tables without a page
"""
