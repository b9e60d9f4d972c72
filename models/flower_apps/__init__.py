"""Apps of the Flower framework (flwr), run as workloads without its SuperLink and SuperNodes.

A ClientApp is called in the worker's own process, as a SuperNode would call it. A ServerApp is run
up to the point where its strategy starts: so far it says what the first model is and what each
message to a client holds. What follows there is Fairwind's part.

flwr 1.42. Its public API is `flwr.app`, `flwr.clientapp` and `flwr.serverapp`. What else is
imported is private to it, so `pyproject.toml` allows no other minor version.
"""
