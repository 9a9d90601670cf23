"""The door for applications: HTTP in, the same services below.

openai_requests, openai_messages, fields    a client's JSON body -> values
openai_replies                              values -> OpenAI's JSON and its stream of chunks
error_bodies                                an error -> status, headers and a body in the shape of the route

These are pure: nothing in them reads a socket, a clock or a database.

desk                                        the budgets' desk for the tasks of an event loop
upstream                                    one request to one provider, and its reply piece by piece
"""
