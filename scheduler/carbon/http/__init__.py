"""Requests to carbon providers: connections, rate limits, circuit breaker; httpx is here alone."""
