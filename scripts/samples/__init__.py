"""The sample invoices: what they say (`invoices`), how they look (`layouts`) and which there are (`catalogue`)."""
