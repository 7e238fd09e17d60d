"""The serving runtime: the same in development, in the image and on a cluster.

A supervisor owns the listening socket and two kinds of processes: front ends (uvicorn) that speak HTTP and never
import the user's code, and workers that hold the model. A plain ASGI or WSGI application runs in the front ends.
"""
