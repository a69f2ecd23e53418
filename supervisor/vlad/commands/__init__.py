"""The verbs of the vlad command, by what a user does; here is what all of them share."""
