"""The work queue: every item is done once, even if workers are killed.

- A claim is a lease. Its holder renews it by heartbeats; when they stop, any other worker takes the
  item over. Attempts are counted per item; after three it is parked with its error.
- Each claim has a fencing token, larger than all before it. A report is accepted only with the
  token of the last claim: a worker that was paused beyond its lease can't commit what another has
  done.
- An item is done when its effect is durable *and* reported. If a worker dies between the two, the
  item is done again: the effects of a task must tolerate that (at least once).
- Claims, reports and all moves are single steps in the server (Lua), and may safely be repeated.

Items are entries of Redis Streams with the consumer group `workers`. Redis 6.2 or later, or Valkey.
"""

# The import registers them
from kpfnb.queue import suggestions as suggestions
