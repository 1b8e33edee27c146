//! The core: may this request pass, and as whom? Pure.

pub mod facts;
