"""Replace a key safely: the new one is verified before the old one goes, and the old one stays for a grace."""
