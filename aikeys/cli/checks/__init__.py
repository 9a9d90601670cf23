"""What `aikeys doctor` looks at: one file a room; each yields Check values, in the order they are shown."""
