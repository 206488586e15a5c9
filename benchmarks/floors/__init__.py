"""The least that the same work can cost here: the tightest honest code over the same stores."""
