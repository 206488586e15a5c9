"""The version, alone, so that every layer can name it. A leaf."""

from typing import Final

__version__: Final = "0.1.0"
