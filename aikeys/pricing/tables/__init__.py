"""Published price tables become a price book of ours (pure): genai-prices (MIT) and LiteLLM (MIT).

`making.py` puts both together; `genai.py` and `litellm.py` each read one. The bundled book and `prices update` are made
by the same code.
"""
