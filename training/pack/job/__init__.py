"""The portable job, which needs only torch and numpy; it is copied into a packed folder unchanged.

Its modules import one another relatively, since the folder has no `parley` package.
"""
