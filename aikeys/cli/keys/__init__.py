"""Keys and vaults as commands make them: new keys, new vaults, unlock methods, renewal of grants."""
