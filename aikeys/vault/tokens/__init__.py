"""The tokens of a vault: admission, issuing, revoking. The pure part: aikeys/tokens."""
