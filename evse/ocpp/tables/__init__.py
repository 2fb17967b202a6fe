"""Message tables: what the JSON schemas of each OCPP version say, one readable line a message or type."""
