"""The weights of scanwise, found by `scanwise.shipped`; there is nothing to import here."""
