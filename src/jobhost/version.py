"""The release, written down once."""

VERSION = "0.1.0"
