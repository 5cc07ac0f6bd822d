"""The `sources:` of `mockforge.yaml`: as written (`models`), and as frozen objects (`objects`)."""
