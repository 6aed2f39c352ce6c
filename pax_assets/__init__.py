"""PAX: message intelligence as Dagster assets, from raw channel tables to a running service.

The package imports nothing here: the service, a training node and the orchestrator each need
another part of it, and none should pay for the rest.
"""
