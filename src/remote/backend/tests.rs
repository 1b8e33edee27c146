//! Tests of sessions that providers keep for backends.
