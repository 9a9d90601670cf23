"""The one way to spend: authorise, name, price, worst case, reserve, call, settle. Both doors go through it.

call         the life of one call, written once; it asks an `Io` (io) for what is to be done
targets      calls until one is answered: retries, and the models that stand in
blocking     drives a call without an event loop, for the command line; gateway/driver.py does it in one
names        (pure) whose model a text names, and with which key
authorise    the choke point: may this caller use this key and model
order        (pure) what is to be sent: encoded, then bounded by the one reader of bodies (native/)
plan         (pure) what a call may cost, and the cap that makes it true
exchange     (pure) one reply as it comes in, whoever moves the bytes
bill         (pure) what a reply cost, and how that is known: the outcome table
entry        (pure) the ledger entry of a call
side_by_side several models at once, their replies in the asked order
interruption Ctrl-C: the first drains, the second stops
"""
