"""What commutes with each layer of a torch network, and with the whole."""
