//! Login systems of others, each by the scenarios that decide whether it works.

mod authgear;
