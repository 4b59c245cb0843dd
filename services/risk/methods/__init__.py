"""Methods of correlation, one a file."""
