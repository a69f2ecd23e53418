"""Log files of any size: their bytes and lines by position, and search through all of them."""
