"""What everything that is registered promises: ``disent-bench check`` tries a plug-in on it, the test suite ourselves.

A contract is a function of a name, in the file of its kind, that raises where the promise is broken.
"""

from disent_bench.contracts.contract import Contract, Finding, check, contracts_of

__all__ = ["Contract", "Finding", "check", "contracts_of"]
