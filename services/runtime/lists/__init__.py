"""List RPCs: long streams that carry list after list to a service and their results back, in parts, as items finish.

The wire's rules stand in `moat/mesh/v1/item.proto`. A service writes a method that answers one list; `serving` makes a
stream of lists out of it, `asking` is the caller's end.
"""
