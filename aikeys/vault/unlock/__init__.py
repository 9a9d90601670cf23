"""The ways to open a vault: OS keyring, passphrase, recovery code, key file; and the kernel keyring's session."""
