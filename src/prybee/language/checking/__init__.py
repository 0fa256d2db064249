"""What is wrong with a script, and the types of what is right: the parts of the checker."""
