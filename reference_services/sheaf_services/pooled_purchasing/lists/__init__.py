"""From a spreadsheet to demands and offers: read, asked about, checked, published, rolled on."""
