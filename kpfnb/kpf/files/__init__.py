"""Files of the Keck Planet Finder: observation identifiers, paths, kinds of exposure, versions."""
