"""What Flower reads when it starts: the Rounds page, and loopback as the default address."""

from tasks.monitor import install

install()
