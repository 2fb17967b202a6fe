"""Board files: which device, line and port serves which EVSE; one file per board or kit, and the simulated ones."""
