"""Wire formats (pure): values become bytes, bytes become values. No sockets, no clock, no credentials.

values        the one set of values of every format
dialects      what a provider's variant of a protocol takes and lacks (data of the catalogue)
protocols     the formats by name: what spending and the gateway call
one file a protocol, and the counting of its usage in usage_openai and usage_native
sse, streams  frames of a stream, and the contract of its decoders
"""
