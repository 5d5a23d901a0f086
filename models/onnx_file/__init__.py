"""Reading model files that are not trusted: regular files only, scanned, held to their cards."""
