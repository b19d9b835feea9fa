"""Settings, errors, results, logs, locks, files: what every other package builds on."""
