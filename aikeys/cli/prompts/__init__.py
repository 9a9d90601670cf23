"""Prompts: what is asked, for whom, through which session, and how the replies are shown."""
