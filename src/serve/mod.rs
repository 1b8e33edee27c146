//! Inbound IO.
