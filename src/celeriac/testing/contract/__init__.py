"""The contract of a store as tests: one file a verb, and lockstep with the memory store.

`pytest --pyargs celeriac.testing.contract --celeriac-store shop.testing:new_store` checks a store.
"""

from celeriac.testing.contract.kinds import StoreKind

__all__ = ["StoreKind"]
