"""Files: whole or not at all, and never larger than expected."""
