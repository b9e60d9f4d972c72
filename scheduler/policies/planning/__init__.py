"""Planning: what policies are made of that look ahead: grams by hour, turns, prices, work."""
