"""Calibration, operating points, test sets and figures."""
