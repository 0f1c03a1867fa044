"""Calibration, operating points, test sets and their figures."""
