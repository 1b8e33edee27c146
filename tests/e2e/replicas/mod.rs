//! Several replicas behind one balancer, which agree by Redis.

mod fleet;
mod outage;
mod people;
mod renewal;
mod sign_out;
