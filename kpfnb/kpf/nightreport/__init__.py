"""The report of a night: observations, products, velocities, and problems that need a person."""
