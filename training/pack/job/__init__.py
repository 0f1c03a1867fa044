"""The portable job, for which torch and numpy are enough: copied into a packed folder as it stands.

Its modules import one another relatively, since the folder knows no `parley`.
"""
