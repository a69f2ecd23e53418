"""What values say on the screen: words, lines and rows of toned text. Pure."""
