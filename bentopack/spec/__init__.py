"""What the user wrote, as values: the bentofile, the service in the code, and the manifest that comes of both."""
