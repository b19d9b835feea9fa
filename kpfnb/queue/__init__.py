"""The work queue: every item is done once, whatever dies meanwhile.

- A claim is a lease. Its holder renews it by heartbeats; when they stop, any other worker takes the
  item over. Attempts are counted by the item's own name; after three it is parked with its error.
- Each claim has a fencing token, larger than all before it. A report is taken only with the token
  of the last claim: a worker that was paused beyond its lease can't commit what another has done.
- An item is done when its effect is durable *and* reported. A worker that dies between the two has
  the item done again: the effects of a task must bear that (at least once).
- Claims, reports and all moves are single steps in the server (Lua), and may safely be repeated.

Items are entries of Redis Streams with the consumer group `workers`. Redis 6.2 or later, or Valkey.
"""
