"""Commands that measure forecasts and targets on public data; README.md says what was declared beforehand."""
