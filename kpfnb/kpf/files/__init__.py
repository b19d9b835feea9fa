"""Files of the Keck Planet Finder: observation identifiers, paths, exposure types, DRP versions."""
