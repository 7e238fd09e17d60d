"""OCI content, written and moved without an engine: layers, blobs, layouts, registries.

Formats: https://github.com/opencontainers/image-spec (1.1); registries: https://github.com/opencontainers/distribution-spec
(1.1). Nothing here knows of Bentos.
"""
