"""The Keck Planet Finder: names, progress, reprocessing."""
