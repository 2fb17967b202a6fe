"""D. Local authorization list."""
