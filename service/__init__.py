"""REST, wire protocols, policies, dumps, command line: what runs a model for others.

parley serve
parley score comments.csv -o labelled.csv
"""
