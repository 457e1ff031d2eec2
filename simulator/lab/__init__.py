"""Compares the simulator with a real system, and imports the world of one.

A real system that may be asked is called a laboratory here.
"""
