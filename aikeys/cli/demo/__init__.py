"""`aikeys demo`: its stage, its programs, its provider on loopback."""
