"""Figures and HTML pages from the results of runs."""
