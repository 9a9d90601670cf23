"""HTTP of the gateway: connections, hosts, admission of requests, bodies, answers, error formats, client streams."""
