"""What becomes of an order after its award: changes, goods, receipts, returns and invoices."""
