"""The lab of a pretrained network that describes pictures."""
