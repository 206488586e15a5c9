"""Canvas: calls written down, and shapes of them.

`signature` writes them, `plan` sends them, `inline` runs them here and now.
"""

from celeriac.canvas.signature import (
    Signature,
    chain,
    chord,
    chunks,
    group,
    maybe_signature,
    signature,
    xmap,
    xstarmap,
)

__all__ = [
    "Signature",
    "chain",
    "chord",
    "chunks",
    "group",
    "maybe_signature",
    "signature",
    "xmap",
    "xstarmap",
]
