"""The OpenAI format as the gateway speaks it to its clients: requests, messages, replies."""
