"""Comment dumps: files of comments in, files of scores out, streamed.

    reader (bytes -> Record | BadRow)  ->  Scorer (Records -> Scored)  ->  writer (Scored -> bytes)

`record` says what a row is, `formats` which reader and writer a file gets, `score` runs the three.
A new input format is one module with a reader and one entry in `formats.INPUTS`.
"""
