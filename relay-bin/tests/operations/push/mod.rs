//! Push wake as the operator of the executable and Google see it: requests, log lines, samples, the exit.
//!
//! Every wake has a server-id of its own where the rate is not what is tested.

mod bench;
mod limits;
mod refusals;
mod sending;
mod stop;

pub(crate) use bench::credentials;
