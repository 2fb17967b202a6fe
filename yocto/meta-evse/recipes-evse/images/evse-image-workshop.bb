require evse-image.bb

# For the workshop: commands, central system, a shell over the network.
IMAGE_FEATURES += "ssh-server-dropbear"
IMAGE_INSTALL += "evse-cli evse-csms"
