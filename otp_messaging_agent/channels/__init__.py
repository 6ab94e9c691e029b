"""Media: what SMS, WhatsApp, a call and an e-mail can carry and to whom. No I/O."""
