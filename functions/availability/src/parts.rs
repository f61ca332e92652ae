//! Each part's service, as a [`Switch`](crate::part::Switch) over its SDK client.

pub mod access;
pub mod athena;
pub mod emr;
pub mod glue;
pub mod jobs;
pub mod notebooks;
pub mod rds;
pub mod studio;
