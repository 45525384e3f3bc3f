"""The messages in Kafka: fields, headers, decoding and encoding.

A reader of version N must be able to read version N+1: fields may be added, never renamed, removed or given another
meaning. `docs/schemas/` and the tables of `docs/messages.md` are generated from this package.
"""
