"""Serves a model: REST, wire protocols, policies, dumps, the command line.

parley serve
parley score comments.csv -o labelled.csv
"""
