"""`parley report`: a scored dump for a newsroom, as one HTML page or as tables in the terminal.

rows      reads scored output (JSON lines, CSV, Parquet) back, a row at a time
lines     the thresholds shown and those used for counting
counts    counts of comments: all, by group, over time
tally     one pass over the rows, in bounded memory
figures   the plots
page      the HTML page around the plots
terminal  the same tables in the terminal
"""
