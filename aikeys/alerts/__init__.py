"""Who is told of a budget, a spike or a key that is due, once: email, webhook, command."""
