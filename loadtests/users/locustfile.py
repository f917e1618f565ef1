"""Everyone who takes part in a load, as Locust finds them.

`loadtests.harness` starts it, with the orders of a run: it needs a product that has the merchants.
"""

from __future__ import annotations

from loadtests.users.providers import Dsk, Generic, Gmo, Sbps
from loadtests.users.shops import Reader, Shop
from ops.supervisor import die_with_supervisor

__all__ = ["Dsk", "Generic", "Gmo", "Reader", "Sbps", "Shop"]

die_with_supervisor()
