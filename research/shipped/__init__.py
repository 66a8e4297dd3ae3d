"""Weights that come with the project, and the script that trains them."""
