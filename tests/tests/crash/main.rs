//! The real binary dies, at any moment and at every named place, under the load of several
//! clients. What was acknowledged is there afterwards, once; what was not is there whole or
//! not at all; and each tenant's log is the one its head vouches for.

mod failpoints;
mod random_kills;
