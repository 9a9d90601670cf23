"""The one way to spend: authorise, name, price, worst case, reserve, call, settle. Both doors go through it.

names        whose model a text names, and with which key
authorise    the choke point: may this caller use this key and model
plan         (pure) what a call may cost, and the cap that makes it true
exchange     (pure) one reply as it comes in, whoever moves the bytes
bill         (pure) what a reply cost, and how that is known: the outcome table
attempt      reserve, send, settle: once
spend        attempts until one is answered: retries, fallbacks
side_by_side several models at once, their replies in the asked order
interruption Ctrl-C: the first drains, the second stops
"""
