"""How an order is spread over time or over prices, one file each."""
