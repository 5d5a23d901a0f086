"""Pictures drawn here: outliers, digits on pages, cars."""
