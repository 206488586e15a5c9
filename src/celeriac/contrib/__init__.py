"""What connects Celeriac to other programs and libraries: each part is imported by whoever wants it."""
