"""What `vlad doctor` looks at. Every check tells what it found, and what to do where that is not good."""
