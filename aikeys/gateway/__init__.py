"""The gateway: HTTP for applications, the same services below.

http/         connections, hosts, admission of requests, bodies, answers, error formats, client streams
routes/       what each route does: calls, native routes, models, tokens, administration, health
formats/      OpenAI's format: a client's JSON body -> values, values -> JSON and chunks (pure)
driver        drives the life of a call (spending.call) in an event loop
reserver      the reserver of the budgets, for the tasks of one event loop
upstream      one request to one provider, and its reply piece by piece
serve, state  the process and its workers; single_run is the gateway of `exec --metered`
"""
