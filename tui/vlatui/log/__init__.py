"""Files of logs: lines found, read and searched in any size of file."""
