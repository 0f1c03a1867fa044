"""`parley report`: what a newsroom reads of a scored dump, as one HTML page or as tables in the terminal.

rows      scored output (JSON lines, CSV, Parquet) read back, a row at a time
lines     the thresholds that are drawn, and those that counts are made with
counts    counts of comments: all, by group, over time
tally     one pass over the rows, in memory that doesn't grow with them
figures   the plots
page      the page around them
terminal  the same tables without a page
"""
