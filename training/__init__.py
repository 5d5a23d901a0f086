"""How models are trained, evaluated and exported. Serving never imports it."""
