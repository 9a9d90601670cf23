"""Network settings of every outgoing connection: proxies, certificates, addresses."""
