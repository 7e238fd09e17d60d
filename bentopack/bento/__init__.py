"""The Bento: a directory with all that a service needs, the same bytes from the same inputs, named by its digest."""
