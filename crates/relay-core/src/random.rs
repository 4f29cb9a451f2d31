//! Where this crate gets its random bits.
//!
//! One place, for the sake of `relay-model` as with [`sync`](crate::sync): a run that is to be repeated must not roll
//! other dice.

pub(crate) use getrandom::fill;
