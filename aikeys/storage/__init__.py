"""Files on disk: SQLite with a vault's permissions, and the canonical bytes that hashes and signatures cover."""
