"""Labs on pictures: templates, filters, convolutions, descriptors."""
