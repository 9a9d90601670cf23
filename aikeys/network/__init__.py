"""What every connection to elsewhere rests on: which proxy, which certificates, which addresses are whose."""
