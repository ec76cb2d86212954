"""From a closed window to numbers: KPIs, how well they are covered by scrapes, and a verdict."""
