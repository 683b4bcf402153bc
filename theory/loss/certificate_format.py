"""What every certificate file says of itself."""

__all__ = ["FORMAT", "VERSION"]

FORMAT, VERSION = "superposition-theory certificate", 1
