"""What connects Celeriac to other programs' libraries; each module needs an extra of its own."""
