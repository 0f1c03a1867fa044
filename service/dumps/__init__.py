"""Comment dumps: files of comments in, files of scores out, streamed.

    reader (bytes -> Record | RawRow)  ->  Scorer (Records -> Scored)  ->  writer (Scored -> bytes)

`reading` opens files and defines records, `formats` selects reader and writer, `scoring` runs all three. A
new input format is a module with a reader and an entry in `formats.registry.INPUTS`.
"""
