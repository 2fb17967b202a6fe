# Where the commands find the station that the service runs.
export EVSE_CONTROL="${EVSE_CONTROL:-/run/evse/control.sock}"
