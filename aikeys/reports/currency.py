"""A second currency by a configured rate (pure): shown beside USD, never instead. Exact: nothing is rounded."""

from typing import NamedTuple


class Currency(NamedTuple):
    """One USD is `rate` · 10^-`decimals` of the currency `code`."""

    code: str
    rate: int
    decimals: int

    @property
    def rate_text(self) -> str:
        return _text(self.rate, self.decimals)

    def text(self, pusd: int) -> str:
        """Return an amount of pico-USD in this currency, exactly, with at least two decimals."""
        return _text(pusd * self.rate, 12 + self.decimals)

    def shown(self, pusd: int) -> str:
        """Return an amount for a person: two decimals, four below one."""
        scaled, one = abs(pusd * self.rate), 10 ** (12 + self.decimals)
        decimals = 2 if scaled >= one or not scaled else 4
        unit = one // 10**decimals
        whole, rest = divmod((scaled + unit // 2) // unit, 10**decimals)
        return f"{'-' if pusd < 0 else ''}{whole:,}.{rest:0{decimals}d} {self.code}"


def currency_of(code: str, usd_rate: str) -> Currency | None:
    """Return the currency of `[currency]` in config.toml, which config.py has checked; None where there is none."""
    if not code:
        return None
    whole, _, rest = usd_rate.partition(".")
    return Currency(code, int(whole + rest), len(rest))


def _text(number: int, decimals: int) -> str:
    whole, rest = divmod(abs(number), 10**decimals)
    digits = f"{rest:0{decimals}d}".rstrip("0") if decimals else ""
    return f"{'-' if number < 0 else ''}{whole}.{digits.ljust(2, '0')}"
