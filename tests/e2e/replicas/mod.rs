//! Several replicas behind one balancer, which agree by Redis.

mod calls;
mod fleet;
mod outage;
mod people;
mod renewal;
mod sealing_keys;
mod sign_out;
mod used_once;
