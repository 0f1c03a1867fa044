"""Measurements that the README and the docs quote; each module but `server` is one command."""
