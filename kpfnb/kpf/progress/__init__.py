"""How far the processing of nights has come."""
