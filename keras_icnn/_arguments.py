"""Checks of arguments, written once."""
